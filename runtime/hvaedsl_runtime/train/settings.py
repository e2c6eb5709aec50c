"""How a run is carried out: the options of the command line, as every process of the run receives them."""

from __future__ import annotations

import torch

from hvaedsl.diagnostics.shell import command_line
from hvaedsl.ir.run_options import TrainOptions, words_of
from hvaedsl_runtime.disk.run_folder import RunFolder


class RunSettings(TrainOptions):
    """The settings of a training run; every process of it receives the same."""

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch names it."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def resume_command(self, processes: int | None = None) -> str:
        """The command that resumes a run, with every option that is not its default.

        Those that allow changes are left out. `processes` is the number that torchrun started; `gpus` if it is None.
        """
        settings = self if processes is None else self.model_copy(update={"gpus": processes})
        options = words_of(settings, leave_out={"out", "resume", "accept_images", "allow_changed"})
        return command_line("hvaedsl", "train", RunFolder(self.out).spec, "--out", self.out, "--resume", *options)
