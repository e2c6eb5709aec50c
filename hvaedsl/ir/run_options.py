"""How a run is carried out, beyond its spec: the one declaration of the options of `train` and `sweep`.

A field of these classes is an option of a command. From it follow the option itself (`hvaedsl/cli/run_options.py`), the
settings that a run is given (`RunSettings` and `SweepSettings` of the runtime are subclasses), and the command that
resumes the run. A field in `RunOptions` belongs to both commands, one in `TrainOptions` or `SweepOptions` to that
command alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic.fields import FieldInfo

from hvaedsl.diagnostics.errors import UsageError

DeviceName = str  # a type of device as torch names it; the base install has no torch that could list them
Dtype = Literal["float32", "float64"]
WandbMode = Literal["off", "online", "offline"]
# Threads, or processes that compute on the CPU, for each core; a number above this is a mistake.
MOST_PER_CORE = 8

# The suffixes of weight files that are written: safetensors, and those of torch.save.
WEIGHT_SUFFIXES = (".safetensors", ".th", ".pt", ".pth")


class Option(NamedTuple):
    """How the command line shows a field. `default` describes a default that is computed, and is empty otherwise."""

    help: str
    default: str = ""
    metavar: str | None = None
    minimum: int | None = None


# The commands that use a trained run have these too.
DEVICE = Option(
    "Device: cpu, or an accelerator that torch supports here, such as cuda, mps or xpu.",
    "the accelerator if available",
    metavar="DEVICE",
)


class RunOptions(BaseModel):
    """Options of a single run and of every run of a sweep."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    gpus: Annotated[
        int,
        Option("Number of processes, one per GPU. With --device cpu, they run on the CPU.", metavar="N", minimum=1),
    ] = 1
    device: Annotated[DeviceName | None, DEVICE] = None
    threads: Annotated[int | None, Option("CPU threads per process.", "chosen by torch", metavar="N", minimum=1)] = None
    download: Annotated[bool, Option("Download the dataset if it is missing.")] = False
    accept_images: Annotated[bool, Option("Resume a run although its images have changed.")] = False

    hang_timeout: Annotated[
        float,
        Option(
            "Minutes without progress after which a run that hangs is ended, or restarted if it has several processes. "
            "0 waits without end.",
            metavar="MINUTES",
            minimum=0,
        ),
    ] = 10.0
    max_restarts: Annotated[
        int,
        Option(
            "Restarts of several processes after one was killed or hangs, without a new checkpoint in between.",
            metavar="N",
            minimum=0,
        ),
    ] = 3

    @field_validator("threads")
    @classmethod
    def check_threads(cls, threads: int | None) -> int | None:
        """Raise UsageError for far more threads than cores: they would wait for each other, and no step would end."""
        if threads is not None:
            check_against_cores("--threads", threads)
        return threads

    @field_validator("hang_timeout")
    @classmethod
    def check_hang_timeout(cls, minutes: float) -> float:
        """Raise UsageError for a time that is not a number, or infinite: 0 waits without end."""
        if not math.isfinite(minutes) or minutes < 0:
            raise UsageError(
                f"--hang-timeout is {minutes:g}; it must be a number of minutes, 0 or more",
                help="0 waits without end",
            )
        return minutes

    def shared(self) -> dict[str, Any]:
        """The options that a sweep hands to each of its runs."""
        return {name: getattr(self, name) for name in RunOptions.model_fields}


class TrainOptions(RunOptions):
    """Options of `hvaedsl train`. A field without default (`out`) is filled in by the command if it is not given."""

    out: Annotated[Path, Option("Run folder.", "runs/NAME", metavar="DIR")]
    resume: Annotated[bool, Option("Resume from the newest checkpoint, or start if there is none.")] = False
    allow_changed: Annotated[bool, Option("Resume a run although its spec has changed.")] = False
    init_from: Annotated[
        Path | None,
        Option("Run folder or weight file whose weights a new run starts from.", metavar="RUN|FILE"),
    ] = None
    dtype: Annotated[Dtype, Option("Precision of the weights and the noise.")] = "float32"
    wandb: Annotated[WandbMode, Option("Log to Weights & Biases as well.")] = "off"


class SweepOptions(RunOptions):
    """Options of `hvaedsl sweep` beside those of its plan."""

    out: Annotated[Path | None, Option("Folder of the sweep.", "runs/sweeps/NAME", metavar="DIR")] = None
    retry_failed: Annotated[bool, Option("Retry runs that failed before.")] = False


def check_against_cores(option: str, number: int) -> None:
    """Raise UsageError if an option asks for far more threads or processes than this machine has cores."""
    cores = os.cpu_count() or 1
    if number > cores * MOST_PER_CORE:
        raise UsageError(
            f"{option} is {number:,}; this machine has {cores:,} core{'s' * (cores > 1)}",
            help=f"choose at most {cores * MOST_PER_CORE:,}; more than one per core gains nothing",
        )


def option_of(field: FieldInfo) -> Option | None:
    """The option that a field declares; None if it is not an option."""
    return next((item for item in field.metadata if isinstance(item, Option)), None)


def flag_of(name: str) -> str:
    """The option of a field as it is typed."""
    return f"--{name.replace('_', '-')}"


def words_of(options: RunOptions, leave_out: Set[str] = frozenset()) -> list[str]:
    """The words on a command line that say these options; a default is left out."""
    words: list[str] = []
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if option_of(field) is None or name in leave_out or value == field.default:
            continue
        words += [flag_of(name)] if value is True else [flag_of(name), str(value)]
    return words
