"""The prefixes that wrappers leave on the names of weights, and the choice between several models in one file.

DistributedDataParallel writes `module.`, torch.compile `_orig_mod.`, Lightning `state_dict` with the name of an
attribute such as `model.` or `net.`, and classes that average weights `ema_model.` and the like; also in combination.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights
from hvaedsl.diagnostics.numbers import counted
from hvaedsl_runtime.convert.averaged_weights import averaged_prefixes, check_averages_are_read, with_dots
from hvaedsl_runtime.disk.weights import not_dense

# The first segments of the names of a model, ours and the published ones. What precedes them is a prefix.
OF_A_MODEL = frozenset(("encoder", "decoder", "likelihood"))
# Left at any place of a name, by torch.compile, FSDP and activation checkpointing.
INSIDE = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
# Left at a place inside a name by DataParallel around a part of the model; a custom cell may have it too.
MODULE = "module"
SHOWN = 3

Kind = Literal["raw", "ema"]


@dataclass(frozen=True)
class ChosenWeights:
    """The weights of one model without prefixes; the notes say what was removed and what was left in the file.

    `are_averaged` says whether the file calls them averaged weights.
    """

    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...]
    are_averaged: bool = False


def choose_weights(tensors: Mapping[str, Tensor], kind: Kind, path: Path) -> ChosenWeights:
    """Choose the weights of one model in a file, by the prefixes of their names, and remove the prefixes.

    If a file has averaged weights and others, `kind` decides. Tensors outside the chosen prefix are left out; if there
    is no model at all, everything is returned as it is. Raises InvalidWeights for a file with several models of a kind,
    and if `kind` asks for averaged weights that are in the file in a form that is not read.
    """
    tensors, of_averages = with_dots(tensors, models_by_prefix(tensors), path)
    models = models_by_prefix(tensors)
    of_a_model = {name for names in models.values() for name in names}
    foreign = [name for name in tensors if name not in of_a_model]
    if not models:
        check_averages_are_read(tensors, (), foreign, path)
        return ChosenWeights(tensors, ())

    averaged = averaged_prefixes(models, tensors)
    suitable = {wanted: _suitable(tensors, models, averaged, wanted) for wanted in ("raw", "ema")}
    if len(suitable[kind]) > 1:
        described = " and ".join(
            f"{_shown(prefix)} ({counted(len(models[prefix]), 'tensor')})" for prefix in suitable[kind]
        )
        raise InvalidWeights(
            f"{path}: has the weights of {len(suitable[kind])} models: names with {described}",
            help="save one of them alone, with torch.save(model.state_dict(), ...)",
        )
    (prefix,) = suitable[kind]
    if kind == "ema" and prefix not in averaged:
        check_averages_are_read(tensors, models[prefix], foreign, path)

    # Tensors beside those of the model, with its prefix, are left to the check that names and shapes fit.
    beside = [name for name in foreign if without_inside(name).startswith(prefix)]
    outside = [name for name in foreign if not without_inside(name).startswith(prefix)]
    chosen: dict[str, Tensor] = {}
    for name in (*models[prefix], *beside):
        if (short := without_inside(name).removeprefix(prefix)) in chosen:
            raise InvalidWeights(f"{path}: has {short} twice, with and without a prefix", help="remove one of them")
        chosen[short] = tensors[name]

    notes = _removed(path, prefix, tensors)
    notes += [note for before, note in of_averages.items() if prefix.startswith(before)]
    for other, names in models.items():
        if other != prefix:
            taken = [option for option, found in (("--ema", "ema"), ("--from", "raw")) if suitable[found] == [other]]
            taken_by = f"; {taken[0]} takes them" if taken else ""
            notes.append(f"{path.name}: left out {counted(len(names), 'tensor')} with {_shown(other)}{taken_by}")
    if outside:
        shown = ", ".join(outside[:SHOWN]) + (", ..." if len(outside) > SHOWN else "")
        notes.append(f"{path.name}: left out {counted(len(outside), 'tensor')} of no model: {shown}")
    return ChosenWeights(chosen, tuple(notes), prefix in averaged)


def without_module(tensors: Mapping[str, Tensor], known: Collection[str], path: Path) -> ChosenWeights:
    """Remove `module.` inside of names, where a name is then one of the `known` ones, and was none of them before.

    Raises InvalidWeights for a parameter that is there with and without it.
    """
    renamed: dict[str, Tensor] = {}
    removed = 0
    for name, tensor in tensors.items():
        if (new := _without_module(name, known)) in renamed:
            raise InvalidWeights(f"{path}: has {new} twice, with and without `{MODULE}.`", help="remove one of them")
        renamed[new] = tensor
        removed += new != name
    notes = (f"{path.name}: removed `{MODULE}.` inside of {counted(removed, 'name')}",) if removed else ()
    return ChosenWeights(renamed, notes)


def _without_module(name: str, known: Collection[str]) -> str:
    short = ".".join(segment for segment in name.split(".") if segment != MODULE)
    return short if name not in known and short in known else name


def bare_name(name: str, known: Collection[str]) -> str:
    """The name of a parameter without the prefixes and segments of wrappers."""
    clean = without_inside(name)
    return _without_module(clean.removeprefix(prefix_of(clean) or ""), known)


def models_by_prefix(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of weights of models, as they are in the file, by what precedes the model in them."""
    found: dict[str, list[str]] = {}
    for name in names:
        if (prefix := prefix_of(without_inside(name))) is not None:
            found.setdefault(prefix, []).append(name)
    return found


def _suitable(
    tensors: Mapping[str, Tensor], models: Mapping[str, Sequence[str]], averaged: Collection[str], kind: Kind
) -> list[str]:
    """The prefixes of the models that an option may take; of models with the same weights, the first."""
    of_kind = [prefix for prefix in models if (prefix in averaged) == (kind == "ema")] or list(models)
    first, *others = of_kind
    weights = _weights(tensors, models, first)
    return [first, *(other for other in others if not same_weights(weights, _weights(tensors, models, other)))]


def _weights(tensors: Mapping[str, Tensor], models: Mapping[str, Sequence[str]], prefix: str) -> dict[str, Tensor]:
    return {without_inside(name).removeprefix(prefix): tensors[name] for name in models[prefix]}


def same_weights(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two state dicts have the same names and values."""
    return one.keys() == other.keys() and all(
        not_dense(tensor) is None and not_dense(other[name]) is None and torch.equal(tensor, other[name])
        for name, tensor in one.items()
    )


def prefix_of(name: str) -> str | None:
    """What precedes the model in a name, such as `module.model.`; None if it is not the name of a model's weight."""
    segments = name.split(".")
    for place, segment in enumerate(segments):
        if segment in OF_A_MODEL:
            return "".join(f"{before}." for before in segments[:place])
    return None


def without_inside(name: str) -> str:
    """The name without the segments of wrappers of single modules."""
    return ".".join(segment for segment in name.split(".") if segment not in INSIDE)


def _removed(path: Path, prefix: str, names: Iterable[str]) -> list[str]:
    """The note on what was removed from the names."""
    segments = {segment for name in names for segment in name.split(".")}
    removed = [f"`{prefix}`"] if prefix else []
    removed += [f"`{segment}.`" for segment in sorted(INSIDE & segments)]
    return [f"{path.name}: removed {' and '.join(removed)} from the names"] if removed else []


def _shown(prefix: str) -> str:
    return f"the prefix `{prefix}`" if prefix else "no prefix"
