"""The prefixes that wrappers leave on the names of weights, and the choice between several models in one file.

DistributedDataParallel writes `module.`, torch.compile `_orig_mod.`, Lightning `state_dict` with the name of an
attribute such as `model.` or `net.`, and classes that average weights `ema_model.` and the like; also in combination.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights

# The first segments of the names of a model, ours and the published ones. What precedes them is a prefix.
OF_A_MODEL = frozenset(("encoder", "decoder", "likelihood"))
# Segments of the prefix of averaged weights.
AVERAGED = frozenset(
    ("ema", "ema_model", "model_ema", "ema_state_dict", "state_dict_ema", "averaged_model", "swa_model")
)
# Left at any place of a name, by torch.compile, FSDP and activation checkpointing.
INSIDE = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
SHOWN = 3

Kind = Literal["raw", "ema"]


@dataclass(frozen=True)
class ChosenWeights:
    """The weights of one model without prefixes; the notes say what was removed and what was left in the file."""

    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...]


def choose_weights(tensors: Mapping[str, Tensor], kind: Kind, path: Path) -> ChosenWeights:
    """Choose the weights of one model in a file, by the prefixes of their names, and remove the prefixes.

    If a file has averaged weights and others, `kind` decides. Tensors outside the chosen prefix are left out; if there
    is no model at all, everything is returned as it is. Raises InvalidWeights for a file with several models of a kind.
    """
    models = models_by_prefix(tensors)
    if not models:
        return ChosenWeights(tensors, ())

    suitable = [prefix for prefix in models if is_averaged(prefix) == (kind == "ema")] or list(models)
    if len(suitable) > 1:
        described = " and ".join(f"{_shown(prefix)} ({models[prefix]:,} tensors)" for prefix in suitable)
        raise InvalidWeights(
            f"{path}: has the weights of {len(suitable)} models: names with {described}",
            help="save one of them alone, with torch.save(model.state_dict(), ...)",
        )

    (prefix,) = suitable
    others = [other for other in models if other != prefix]
    chosen: dict[str, Tensor] = {}
    foreign: list[str] = []
    for name, tensor in tensors.items():
        clean = without_inside(name)
        if not clean.startswith(prefix) or prefix_of(clean) in others:
            foreign += [] if prefix_of(clean) in others else [name]
        elif (short := clean.removeprefix(prefix)) in chosen:
            raise InvalidWeights(f"{path}: has {short} twice, with and without a prefix", help="remove one of them")
        else:
            chosen[short] = tensor

    notes = [*_removed(path, prefix, tensors), *_left_out(path, {other: models[other] for other in others}, foreign)]
    return ChosenWeights(chosen, tuple(notes))


def models_by_prefix(names: Iterable[str]) -> dict[str, int]:
    """The prefixes of the models that have these names, each with the number of its tensors."""
    prefixes = (prefix_of(without_inside(name)) for name in names)
    return dict(Counter(prefix for prefix in prefixes if prefix is not None))


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


def is_averaged(prefix: str) -> bool:
    """Whether a prefix is that of averaged weights."""
    return not AVERAGED.isdisjoint(prefix.split("."))


def _removed(path: Path, prefix: str, names: Iterable[str]) -> list[str]:
    """The note on what was removed from the names."""
    segments = {segment for name in names for segment in name.split(".")}
    removed = [f"`{prefix}`"] if prefix else []
    removed += [f"`{segment}.`" for segment in sorted(INSIDE & segments)]
    return [f"{path.name}: removed {' and '.join(removed)} from the names"] if removed else []


def _left_out(path: Path, others: Mapping[str, int], foreign: list[str]) -> list[str]:
    """The notes on the other models in the file and on tensors of no model."""
    notes = []
    for prefix, count in others.items():
        option = "--ema" if is_averaged(prefix) else "--from"
        notes.append(f"{path.name}: left out {count:,} tensors with {_shown(prefix)}; {option} takes them")
    if foreign:
        shown = ", ".join(foreign[:SHOWN]) + (", ..." if len(foreign) > SHOWN else "")
        notes.append(f"{path.name}: left out {len(foreign):,} tensors that belong to no model: {shown}")
    return notes


def _shown(prefix: str) -> str:
    return f"the prefix `{prefix}`" if prefix else "no prefix"
