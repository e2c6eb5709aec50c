"""A run that starts from the weights of another one (`--init-from`): what is taken over, and what is not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvaedsl.diagnostics.errors import WeightsMismatch
from hvaedsl.diagnostics.shell import command_line
from hvaedsl.diagnostics.streams import say
from hvaedsl_runtime.disk.no_checkpoint import without_checkpoint
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.run_folder import require_run
from hvaedsl_runtime.disk.saved_checkpoints import newest_good
from hvaedsl_runtime.disk.weights import read_weights

# Names of a kind that a message lists.
SHOWN = 4


@dataclass(frozen=True)
class TakenOver:
    """The names of a model's parameters by what became of them; `unused` are those of the source."""

    source: str
    loaded: tuple[str, ...]
    other_shape: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What a user is told: a line for each kind that occurs."""
        kinds = {
            "have another shape there, and start anew": self.other_shape,
            "are not there, and start anew": self.missing,
            "are there, and not in this model": self.unused,
        }
        total = len(self.loaded) + len(self.other_shape) + len(self.missing)
        first = f"weights of {self.source}: {len(self.loaded):,} of {total:,} parameters loaded"
        return [first, *(f"  {len(names):,} {what}: {_listed(names)}" for what, names in kinds.items() if names)]


def start_from(source: Path, models: Iterable[nn.Module]) -> TakenOver:
    """Give models the weights of a run folder (the averaged ones of its last checkpoint) or of a weight file.

    A parameter is loaded if the source has one of its name and shape; the others keep their initial values.

    Raises WeightsMismatch if none fits or a weight is not finite; RunNotFound, DamagedRun, UsageError as reading does.
    """
    tensors = _read(source)
    found = first_not_finite(tensors)
    if found is not None:
        raise WeightsMismatch(f"{source}: {found}", help="start from the weights of an earlier step or of another run")

    result: TakenOver | None = None
    for model in models:
        result = _load(source, tensors, model)
    assert result is not None, "a run has models"
    if not result.loaded:
        raise WeightsMismatch(
            f"{source}: none of its {len(tensors):,} tensors has the name and shape of a parameter of this model",
            help="for weights with other names, write a run folder first: "
            + command_line("hvaedsl", "convert", "SPEC", "--ema", os.fspath(source), "--out", "RUN"),
        )
    return result


def _read(source: Path) -> Mapping[str, Tensor]:
    """The tensors of a weight file, or the averaged weights of a run."""
    if source.is_file():
        return read_weights(source)[0]
    folder = require_run(source)
    checkpoint = newest_good(folder.checkpoints, lambda line: say(line, err=True))
    if checkpoint is None:
        raise without_checkpoint(folder)
    return checkpoint.finite_weights("ema")


@torch.no_grad()
def _load(source: Path, tensors: Mapping[str, Tensor], model: nn.Module) -> TakenOver:
    """Copy the tensors that fit into a model, in place."""
    parameters = model.state_dict()
    loaded, other_shape, missing = [], [], []
    for name, parameter in parameters.items():
        if name not in tensors:
            missing.append(name)
        elif tensors[name].shape != parameter.shape:
            other_shape.append(name)
        else:
            parameter.copy_(tensors[name])
            loaded.append(name)
    unused = [name for name in tensors if name not in parameters]
    return TakenOver(str(source), tuple(loaded), tuple(other_shape), tuple(missing), tuple(unused))


def _listed(names: tuple[str, ...]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
