"""Which changed keys have no effect: details of a feature that is off, or limits that nothing reaches.

For the keys of `model`, the bridge decides: it is all that is lowered, so a key without which it stays the same has no
effect. For the keys of `train`, the training step does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from hvaedsl.ir.section import Section
from hvaedsl.ir.spec import Spec, section_of
from hvaedsl.program import Program, bridge_of


def without_effect(before: Program, after: Program, changed: Iterable[str]) -> frozenset[str]:
    """The changed keys, dotted, that have no effect in either program."""
    found = frozenset(
        key
        for key in changed
        if _is_without_effect(before, after.spec, key) and _is_without_effect(after, before.spec, key)
    )

    # Together, keys may do what none does alone.
    model = [key for key in found if key.startswith("model.")]
    together = reduce(lambda spec, key: _with_value_of(spec, after.spec, key), model, before.spec)
    return found if not model or bridge_of(together) == before.bridge else found - frozenset(model)


def _is_without_effect(program: Program, other: Spec, key: str) -> bool:
    """Whether the program stays the same with the value that the key has in another spec."""
    if key.startswith("model."):
        return bridge_of(_with_value_of(program.spec, other, key)) == program.bridge
    if key == "train.clip_norm":
        skip = program.spec.train.skip_above
        # A gradient above `skip_above` is skipped, so a larger norm is never clipped to.
        return isinstance(skip, float) and all(
            norm is None or norm > skip for norm in (program.spec.train.clip_norm, other.train.clip_norm)
        )
    return False


def _with_value_of(spec: Spec, other: Spec, key: str) -> Spec:
    """The spec with the value that one key has in another spec."""
    *sections, name = key.split(".")
    path = ".".join(sections)
    changed: Section = section_of(spec, path).model_copy(update={name: getattr(section_of(other, path), name)})

    # Put the changed section into its outer sections.
    while sections:
        inner = sections.pop()
        outer = section_of(spec, ".".join(sections)) if sections else spec
        changed = outer.model_copy(update={inner: changed})  # type: ignore[assignment]  # the last one is the spec
    assert isinstance(changed, Spec)
    return changed
