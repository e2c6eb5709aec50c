"""The spec of a run against that with which it is resumed: the keys that have changed."""

from __future__ import annotations

from collections.abc import Mapping, Set

from hvaedsl.diagnostics.errors import RunMismatch
from hvaedsl.diagnostics.shell import command_line
from hvaedsl.diff.compare import compare
from hvaedsl.diff.wording import totals
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import SECTIONS, Spec, keys, section_of
from hvaedsl.ir.spec_text import value_text
from hvaedsl.program import Program
from hvaedsl_runtime.disk.run_folder import RunFolder

# Keys that may change when a run is resumed, because the weights after a step do not depend on them.
CHANGEABLE = frozenset(
    (
        *("data.path", "sample.temperature", "sample.count", "train.steps", "train.eval_every", "train.save_every"),
        *("train.micro_batch", "train.gpu_memory", "train.deterministic", "train.stop_after", "train.on_spike"),
        *("train.keep_last", "train.keep_every", *(f"paper.{name}" for name in keys(SECTIONS["paper"]))),
    )
)


def changes_of(before: Program, now: Program) -> list[str]:
    """The changes on which the weights of a run depend: each key with both values, then the figures of the model.

    Keys in CHANGEABLE and the name may differ. `train.steps` may not under a schedule that depends on it.
    """
    changes = spec_differences(before.spec, now.spec, changeable(now.spec))
    if changes and before.bridge != now.bridge:
        figures = (figure for figure in totals(compare(before, now)) if figure.before != figure.after)
        changes += [f"{figure.what}: {figure.before} in the run, {figure.after} now" for figure in figures]
    return changes


def changeable(now: Spec) -> Set[str]:
    """The keys that may change when a run is resumed under a spec."""
    return CHANGEABLE if now.train.lr_schedule == "constant" else CHANGEABLE - {"train.steps"}


def check_same_run(folder: RunFolder, before: Spec, now: Spec) -> None:
    """Raise RunMismatch, naming the keys, if a run would be resumed under another spec.

    Keys in CHANGEABLE and the name may differ. `train.steps` may not under a schedule that depends on it.
    """
    differences = spec_differences(before, now, changeable(now))
    if differences:
        raise RunMismatch(
            f"{folder.path} belongs to another spec; " + "; ".join(differences),
            help="train this spec into another folder with --out, or resume with: "
            f"{command_line('hvaedsl', 'train', folder.spec, '--out', folder.path, '--resume')}",
        )


def spec_differences(before: Spec, now: Spec, free: Set[str], where: str = "in the run") -> list[str]:
    """The keys whose values differ, each with both values; `where` describes the place of the earlier one.

    The names of labels do not count: they affect neither the weights nor their names.
    """
    return [
        f"{name}.{key}: {as_written(old)} {where}, {as_written(new)} now"
        for name, section in SECTIONS.items()
        for key in keys(section)
        if _compared(old := getattr(section_of(before, name), key))
        != _compared(new := getattr(section_of(now, name), key))
        and f"{name}.{key}" not in free
    ]


def _compared(value: object) -> object:
    return value.with_numbered_labels() if isinstance(value, BlockList) else value


def as_written(value: object) -> str:
    """The value of a key in the syntax of a spec."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case ImageSize():
            return str(value)
        case tuple():
            return f"[{', '.join(map(str, value))}]"
        case Mapping():
            return value_text(value)
        case _:
            return str(value)
