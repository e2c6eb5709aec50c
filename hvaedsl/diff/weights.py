"""Check whether the weights of one model load into another, by names and shapes of parameters, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorChange:
    """A parameter with another shape, or one that only one model has."""

    name: str
    before: Shape | None
    after: Shape | None


@dataclass(frozen=True, slots=True)
class WeightsMatch:
    """The comparison of two models' parameters."""

    tensors: int  # of the second model
    alike: int  # with the same name and shape in the first model
    changes: tuple[TensorChange, ...]
    known: bool = True  # False if custom parts, whose parameters are unknown, were not imported

    @property
    def load(self) -> bool:
        """Whether `load_state_dict` of the first model's weights into the second succeeds."""
        return self.known and not self.changes


def match_weights(before: Mapping[str, Shape], after: Mapping[str, Shape], *, known: bool) -> WeightsMatch:
    """Compare the parameters of two models: those of the second in order, then those that it lacks."""
    names = [*after, *(name for name in before if name not in after)]
    changes = tuple(
        TensorChange(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name) or (name in before) != (name in after)
    )
    alike = sum(name in before and before[name] == shape for name, shape in after.items())
    return WeightsMatch(len(after), alike, changes, known)
