"""Averaged weights in a checkpoint: how they are recognized, and the forms that lack the names of the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights
from hvaedsl.diagnostics.numbers import counted

# Words of segments of the prefixes of averaged weights, such as `ema_model`, `state_dict_ema` and `swa_model`.
AVERAGED = frozenset(("ema", "averaged", "average", "swa", "shadow", "polyak"))
# Segments before raw weights: inside of `ema` in ema-pytorch, and beside averaged weights in Lightning.
ONLINE_MODEL, CURRENT_MODEL = "online_model", "current_model_state"
# What LitEma has beside the averages.
COUNTERS = frozenset(("decay", "num_updates"))


class Dotted(NamedTuple):
    """The tensors of a file in which the averages of LitEma have the model's names, and a note for each prefix."""

    tensors: Mapping[str, Tensor]
    notes: Mapping[str, str]


def is_averaged(prefix: str) -> bool:
    """Whether a prefix is that of averaged weights; the segment that is nearest to the names decides."""
    for segment in reversed(prefix.split(".")):
        if segment in (ONLINE_MODEL, CURRENT_MODEL):
            return False
        if not AVERAGED.isdisjoint(segment.split("_")):
            return True
    return False


def averaged_prefixes(prefixes: Iterable[str], names: Collection[str]) -> frozenset[str]:
    """The prefixes of averaged weights among those of a file's models; `names` are all names in the file."""
    # Lightning's WeightAveraging puts the averages in the place of the model, and the model beside it.
    is_swapped = any(name.startswith(f"{CURRENT_MODEL}.") for name in names)

    def found(prefix: str) -> bool:
        if is_averaged(prefix) or (is_swapped and prefix.startswith("state_dict.")):
            return True
        # torch's AveragedModel: the averages are in `module`, beside the number of models that they contain.
        return prefix.endswith("module.") and f"{prefix.removesuffix('module.')}n_averaged" in names

    return frozenset(filter(found, prefixes))


def with_dots(tensors: Mapping[str, Tensor], models: Mapping[str, Sequence[str]], path: Path) -> Dotted:
    """Give the averages of LitEma the names of the parameters; `models` are the names in the file by their prefixes.

    LitEma (CompVis, Stability AI) names the average of each trainable parameter by the parameter's name without dots.
    It has no averages of frozen parameters, whose values in the model are taken.
    """
    averages: dict[str, dict[str, str]] = defaultdict(dict)  # by what precedes the last dot, and by what follows it
    of_a_model = {name for names in models.values() for name in names}
    for name in tensors:
        before, _, last = name.rpartition(".")
        if name not in of_a_model and last not in COUNTERS and is_averaged(before):
            averages[before][last] = name

    dotted, notes = dict(tensors), {}
    for before, names in averages.items():
        for prefix, parameters in models.items():
            if is_averaged(prefix) or (matched := _matched(names, parameters)) is None:
                continue
            frozen = 0
            for parameter, (tail, without_dots) in matched.items():
                frozen += without_dots is None
                source = parameter if without_dots is None else names[without_dots]
                dotted[f"{before}.{tail}"] = tensors[source]
            for name in names.values():
                del dotted[name]
            for counter in COUNTERS:
                dotted.pop(f"{before}.{counter}", None)
            notes[f"{before}."] = (
                f"{path.name}: matched the names without dots after `{before}.` with those of the model"
            )
            if frozen:
                notes[f"{before}."] += f"; without an average: {frozen:,}, for which those after `{prefix}` are taken"
            break
    return Dotted(dotted if notes else tensors, notes)


def _matched(names: Collection[str], parameters: Sequence[str]) -> dict[str, tuple[str, str | None]] | None:
    """For each parameter, its name in the averaged module, and the same without dots if `names` has it.

    The averaged module may be any module around the model. None unless every one of `names` is that of one parameter.
    """
    segments = [parameter.split(".") for parameter in parameters]
    for start in range(min(map(len, segments))):
        tails = [".".join(of_one[start:]) for of_one in segments]
        without_dots = [tail.replace(".", "") for tail in tails]
        if len({*without_dots}) == len(tails) and set(names) <= {*without_dots}:
            lasts = [last if last in names else None for last in without_dots]
            return dict(zip(parameters, zip(tails, lasts, strict=True), strict=True))
    return None


def check_averages_are_read(
    tensors: Mapping[str, Tensor], model: Collection[str], foreign: list[str], path: Path
) -> None:
    """Raise InvalidWeights if tensors that belong to no model look like the averages of `model`, given by its names.

    They do if their keys say so and they have at least half as many values as the model; without a model in the file,
    only tensors with numbers in place of names do.
    """
    averages = [name for name in foreign if is_averaged(name) and tensors[name].ndim]
    numbered = {name.rpartition(".")[0] for name in averages if name.rpartition(".")[2].isdecimal()}
    values, needed = (sum(tensors[name].numel() for name in names) for names in (averages, model))
    if not averages or 2 * values < needed or not (model or numbered):
        return

    key = averages[0].rpartition(".")[0] or averages[0]
    count = sum(name.startswith(f"{key}.") for name in averages)
    if key in numbered:
        found = f"`{key}` has {counted(count, 'tensor')} without the names of the parameters"
    else:
        found = f"`{key}` has other names than the model's"
    raise InvalidWeights(
        f"{path}: has averaged weights in a form that is not read: {found}",
        help="where they were written, copy them to the model (`copy_to` in torch_ema and diffusers), and save "
        "model.state_dict() to a file for --ema; or omit --ema, and name this file with --from alone, whose weights "
        "are then used for both",
    )
