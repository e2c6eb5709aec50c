"""The state of a training run: everything that has to be saved to continue it as if it had never stopped."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import nn

import hvaedsl
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.policies import AdaptiveThreshold
from hvaedsl.ir.training import TrainingSpec
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.program import Program
from hvaedsl_runtime.data import AnyPreparation, preparation_from
from hvaedsl_runtime.disk.state_parts import Counters, PartError, Position, StateDict, Stateful, log_unknown
from hvaedsl_runtime.model import initial_model
from hvaedsl_runtime.train.adamw import FlatAdamW
from hvaedsl_runtime.train.ema import ExponentialMovingAverage
from hvaedsl_runtime.train.flat import FlatLayout, flatten
from hvaedsl_runtime.train.norms import RecentNorms
from hvaedsl_runtime.train.recovery import Recovery
from hvaedsl_runtime.train.stopping import Stopping

# Parts that only some runs have: those under `train.stop_after`, and under an adaptive `train.skip_above`.
STOPPING, NORMS = "stopping", "norms"
RECOVERY = "recovery"  # which checkpoints of earlier versions lack

logger = logging.getLogger(__name__)


class TrainState:
    """What a training run is after `step` steps; it saves and restores what it holds, part by part.

    Learning rate, order of the images and noise are functions of the spec and the position, so neither a scheduler nor
    a generator has state of its own. A new part is a line in `parts`.
    """

    def __init__(
        self,
        model: HierarchicalVAE,
        untrained: Sequence[str],
        training: TrainingSpec,
        preparation: AnyPreparation | None,
        position: Position,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self.trainable = trainable_parameters(model, untrained)
        self.layout = FlatLayout.of(model, factors or {})
        self.weights = flatten(model, self.layout)
        self.ema = ExponentialMovingAverage(model, self.layout, training.ema_decay)
        self.optimizer = FlatAdamW(model, self.layout, self.weights, training)
        self.position = position
        self.counters = Counters()
        self.stopping = Stopping() if training.stop_after is not None else None
        self.norms = RecentNorms() if isinstance(training.skip_above, AdaptiveThreshold) else None
        self.recovery = Recovery()
        self.inputs = InputPreparation(preparation)
        self.versions = Versions()
        # False from the first change of a step until the step is counted and logged.
        self.is_between_steps = True

    @classmethod
    def initial(
        cls, program: Program, preparation: AnyPreparation | None, position: Position, device: torch.device
    ) -> TrainState:
        """The state before the first step, on a device, with the weights that the seed of `position` draws.

        Without a `preparation`, one has to be restored before it is used. Raises SpecError if the spec freezes weights,
        or gives them a rate, that the model does not have.
        """
        model = initial_model(program, position.seed, device, position.torch_dtype)
        chosen = program.chosen_weights([name for name, _ in model.named_parameters()])
        untrained = (*program.without_gradient, *sorted(chosen.frozen))
        return cls(model, untrained, program.training(), preparation, position, chosen.factors)

    @property
    def parts(self) -> dict[str, Stateful]:
        """The parts with state, by their names in a checkpoint. `model`, `ema` and `preparation` are public there."""
        optional: dict[str, Stateful | None] = {STOPPING: self.stopping, NORMS: self.norms}
        return {
            "model": self.model,
            "ema": self.ema.model,
            "averaging": self.ema,
            "optimizer": self.optimizer,
            "position": self.position,
            "counters": self.counters,
            "preparation": self.inputs,
            "versions": self.versions,
            RECOVERY: self.recovery,
            **{name: part for name, part in optional.items() if part is not None},
        }

    def state_dict(self) -> StateDict:
        """The state of each part, by name."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: StateDict, /) -> None:
        """Restore every part; unknown ones are logged. Raises PartError if a part is missing or does not fit.

        A run that stops early, or adapts its threshold, only since it is resumed counts from there.
        """
        for name, part in self.parts.items():
            if name in (STOPPING, NORMS, RECOVERY) and name not in state:
                continue
            if name not in state:
                raise PartError(f"`{name}` is missing")
            try:
                part.load_state_dict(state[name])
            except torch.OutOfMemoryError:  # the state fits; the device is too small
                raise
            except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:  # as torch and pydantic do
                raise PartError(f"`{name}` does not fit this run: {joined(error)}") from error
        log_unknown(state, (*self.parts, STOPPING, NORMS), "checkpoint")

    @property
    def step(self) -> int:
        """Steps done, skipped updates included; thus the 0-based step that comes next."""
        return self.position.step

    @property
    def batch(self) -> int:
        """The 0-based batch, in the streams of images and random numbers, of the step that comes next."""
        return self.position.step + self.recovery.left_out

    @property
    def preparation(self) -> AnyPreparation:
        """How images become inputs."""
        return self.inputs.value

    @property
    def models(self) -> dict[str, HierarchicalVAE]:
        """The model with the weights in training, and with their average."""
        return {"raw": self.model, "ema": self.ema.model}

    @property
    def expected_bytes(self) -> int:
        """The size of the state's tensors once the optimizer has taken a step: AdamW keeps two moments of each one."""
        saved = (*self.model.state_dict().values(), *self.ema.model.state_dict().values(), *self.trainable * 2)
        counts = len(self.trainable) * 4 + 4096  # a step for each parameter, and what aligns the files
        return counts + int(sum(tensor.nbytes for tensor in saved))

    def record_step(self, *, applied: bool, seconds: float) -> None:
        """Count a step that was taken."""
        self.position.step += 1
        self.counters.record(applied=applied, seconds=seconds)


class InputPreparation:
    """How images become inputs: decided once, from the training images, and the same from then on."""

    def __init__(self, decided: AnyPreparation | None) -> None:
        self._decided = decided

    @property
    def value(self) -> AnyPreparation:
        """The preparation. Raises RuntimeError if it was neither given nor restored."""
        if self._decided is None:
            raise RuntimeError("the preparation of the images was neither given nor restored from a checkpoint")
        return self._decided

    def state_dict(self) -> StateDict:
        """The preparation's fields."""
        return self.value.to_dict()

    def load_state_dict(self, state: StateDict, /) -> None:
        """Restore the preparation. Raises ValueError (pydantic's) if a field is missing or ill-typed."""
        self._decided = preparation_from(state)


class Versions:
    """The versions of hvaedsl and torch that write the state; those that wrote it earlier are only logged."""

    def state_dict(self) -> StateDict:
        """The versions by package."""
        return {"hvaedsl": hvaedsl.__version__, "torch": str(torch.__version__)}

    def load_state_dict(self, state: StateDict, /) -> None:
        """Log the packages whose version has changed since."""
        for package, version in self.state_dict().items():
            if state.get(package) != version:
                logger.info("the checkpoint was written by %s %s; this is %s", package, state.get(package), version)


def trainable_parameters(model: nn.Module, untrained: Sequence[str]) -> list[nn.Parameter]:
    """The parameters that the optimizer updates; those that are frozen, or unreached, stop requiring a gradient."""
    for name in untrained:
        model.get_parameter(name).requires_grad_(False)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
