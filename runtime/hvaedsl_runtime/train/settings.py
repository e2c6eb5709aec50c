"""How a run is carried out: what the command line says beyond the spec."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict

from hvaedsl_runtime.disk.metrics import WandbMode
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.distributed import DeviceName


class RunSettings(BaseModel):
    """The settings of a training run; every process of it gets the same.

    `device` None takes a GPU where there is one. `dtype` is the type of weights and noise: float64 is there to compare
    runs beyond the rounding of float32.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    resume: bool = False
    device: DeviceName | None = None
    download: bool = False
    wandb: WandbMode = "off"
    threads: int | None = None
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch names it."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def resume_command(self, processes: int) -> str:
        """What the user types to go on with a run of so many processes."""
        words = ["hvaedsl", "train", str(RunFolder(self.out).spec), "--out", str(self.out), "--resume"]
        if processes > 1:
            words += ["--gpus", str(processes)]
        if self.device is not None:
            words += ["--device", self.device]
        if self.threads is not None:
            words += ["--threads", str(self.threads)]
        if self.wandb != "off":
            words += ["--wandb", self.wandb]
        return shlex.join(words)
