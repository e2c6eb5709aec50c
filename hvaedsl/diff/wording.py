"""The figures and sentences that describe a difference, for text and markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hvaedsl.diff.compare import Difference, LevelChange, Side
from hvaedsl.diff.levels import Level
from hvaedsl.diff.weights import Shape, TensorChange
from hvaedsl.report.cost_table import short_count, size

SHOWN_TENSORS = 3
WITHOUT_EFFECT = "changed without effect"


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity before and after; `change` is empty if it is not a number and `=` if it is the same."""

    what: str
    before: str
    after: str
    change: str = ""


def totals(difference: Difference) -> tuple[Figure, ...]:
    """Return the cost of both models, including equal figures."""
    old, new = difference.before.totals, difference.after.totals
    batch = f"batch {old.batch}" if old.batch == new.batch else f"batch {old.batch} -> {new.batch}"
    return (
        _figure("parameters", old.parameters, new.parameters, _grouped),
        _figure("weight groups", old.weight_groups, new.weight_groups, _grouped),
        _figure("applied more than once", old.shared_groups, new.shared_groups, _grouped),
        _figure("blocks applied", old.blocks, new.blocks, _grouped),
        _figure("stochastic depth", old.stochastic_depth, new.stochastic_depth, _grouped),
        _figure("latents", old.latents, new.latents, _grouped),
        _figure("FLOPs per image", old.flops_per_image, new.flops_per_image, short_count),
        _figure(f"activation memory, {batch}", old.activation_bytes, new.activation_bytes, size),
    )


def level_figures(change: LevelChange) -> tuple[Figure, ...]:
    """Return the changes at one resolution besides the block notation; a missing level counts as 0."""
    old, new = change.before, change.after
    counted = (
        ("blocks", "blocks", _grouped),
        ("weight groups", "weight_groups", _grouped),
        ("parameters", "parameters", _grouped),
        ("latents", "latents", _grouped),
        ("FLOPs per image", "flops_per_image", short_count),
        ("activations per image", "float32_bytes_per_image", size),
    )
    figures = (
        _figure(what, getattr(old, name) if old else 0, getattr(new, name) if new else 0, word)
        for what, name, word in counted
    )
    return (*_described(old, new), *(figure for figure in figures if figure.change != "="))


def _described(old: Level | None, new: Level | None) -> Iterator[Figure]:
    """Properties that are not numbers."""
    if old is None or new is None:
        return
    descriptions: tuple[tuple[str, Callable[[Level], str]], ...] = (
        ("channels", lambda level: _numbers(level.channels)),
        ("channels inside a block", lambda level: _numbers(level.inner_channels)),
        ("channels of each z", lambda level: str(level.latent_channels)),
        ("weights applied", lambda level: _sharing(level)),
        ("initial state", lambda level: level.begins),
        ("posteriors read", lambda level: level.reads),
    )
    for what, describe in descriptions:
        if describe(old) != describe(new):
            yield Figure(what, describe(old), describe(new))


def notation(level: Level | None) -> str:
    """Return the blocks of a level, or words for a missing or empty one."""
    if level is None:
        return "nothing"
    return level.notation or "no blocks"


def weights_sentence(difference: Difference) -> str:
    """Return a sentence on whether the first model's weights load into the second."""
    weights, (old, new) = difference.weights, (difference.before.label, difference.after.label)
    if not weights.known:
        return f"weights of {old} load into {new}: unknown, because custom parts were not imported; use --custom"
    if weights.load:
        other = ", but the model computes something else" if difference.changes_the_model else ""
        return f"weights of {old} load into {new}: yes, all {weights.tensors:,} tensors{other}"
    count = len(weights.changes)
    if weights.alike == weights.tensors:
        extra = f"{count:,} more tensor{'s do not exist' if count != 1 else ' does not exist'} there"
        return f"weights of {old} load into {new}: no, all {weights.tensors:,} tensors match, but {extra}"
    return (
        f"weights of {old} load into {new}: no, {count:,} tensor{'s differ' if count != 1 else ' differs'}, "
        f"{weights.alike:,} of {weights.tensors:,} match"
    )


def tensor_changes(difference: Difference) -> Iterator[tuple[str, str]]:
    """Yield the first tensors that do not load, with their shapes."""
    if not difference.weights.known:
        return
    changes = difference.weights.changes
    # Different shapes are more informative than missing names.
    ordered = sorted(changes, key=lambda item: item.before is None or item.after is None)
    for change in ordered[:SHOWN_TENSORS]:
        yield change.name, _shapes(change)
    if len(changes) > SHOWN_TENSORS:
        yield "...", f"and {len(changes) - SHOWN_TENSORS:,} more"


def uncounted(side: Side) -> str:
    """Return a sentence on what the figures of a side do not count; empty if they count everything."""
    parts = ", ".join(side.uncounted)
    return f"not counted in {side.label}: {parts}; use --custom to import and count custom parts" if parts else ""


def _shapes(change: TensorChange) -> str:
    if change.before is None:
        return f"only after: {_shape(change.after)}"
    if change.after is None:
        return f"only before: {_shape(change.before)}"
    return f"{_shape(change.before)} -> {_shape(change.after)}"


def _shape(shape: Shape | None) -> str:
    return f"[{', '.join(map(str, shape or ()))}]"


def _figure(what: str, before: int, after: int, word: Callable[[float], str]) -> Figure:
    return Figure(what, word(before), word(after), change(before, after, word))


def change(before: int, after: int, word: Callable[[float], str]) -> str:
    if before == after:
        return "="
    sign = "+" if after > before else "-"
    by = f"{sign}{word(abs(after - before))}"
    if not before:
        return by
    if after > 10 * before:
        return f"{by} ({after / before:,.0f} times)"
    return f"{by} ({sign}{_percent(abs(after - before) / before)})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 1 else f"{100 * share:,.0f} %"


def _grouped(number: float) -> str:
    return f"{number:,.0f}"


def _numbers(found: tuple[int, ...]) -> str:
    return " / ".join(map(str, found)) or "none"


_TIMES = {1: "once", 2: "twice"}


def _sharing(level: Level) -> str:
    parts = (f"{sets:,} set{'s' * (sets > 1)} {_TIMES.get(times, f'{times:,} times')}" for times, sets in level.sharing)
    return ", ".join(parts) or "none"
