"""Whether the weights of one model load into another one: by the names and shapes of the parameters, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorChange:
    """A parameter that has another shape, or that only one of the models has."""

    name: str
    before: Shape | None
    after: Shape | None


@dataclass(frozen=True, slots=True)
class WeightsMatch:
    """The parameters of two models, side by side."""

    tensors: int  # of the second model
    alike: int  # that the first one has under the same name, in the same shape
    changes: tuple[TensorChange, ...]
    known: bool = True  # False where one's own parts have not been imported: nobody knows their parameters

    @property
    def load(self) -> bool:
        """Whether `load_state_dict` of the first model's weights into the second succeeds."""
        return self.known and not self.changes


def match_weights(before: Mapping[str, Shape], after: Mapping[str, Shape], *, known: bool) -> WeightsMatch:
    """Compare two models' parameters: those of the second in their order, then those that it lacks."""
    names = [*after, *(name for name in before if name not in after)]
    changes = tuple(
        TensorChange(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name) or (name in before) != (name in after)
    )
    alike = sum(name in before and before[name] == shape for name, shape in after.items())
    return WeightsMatch(len(after), alike, changes, known)
