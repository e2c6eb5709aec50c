"""The weights of a run as safetensors, under the names of the module, and of the emitted Python file."""

from __future__ import annotations

from pathlib import Path

import torch

from hvaedsl.diagnostics.errors import ExportFailed
from hvaedsl_runtime.convert.conversion import describe
from hvaedsl_runtime.disk.weights import SAFETENSORS, read_weights, write_safetensors
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.export.places import check_place, exported


def export_tensors(finished: FinishedRun, path: Path, weights: Weights, *, replace: bool = False) -> int:
    """Write the weights, with spec, step and preparation as metadata; read back and compared before the name is given.

    Gives the number of tensors. Raises UsageError for a name that does not serve, RunError (5) for a file that is there
    already or cannot be written.
    """
    check_place(path, SAFETENSORS, replace=replace)
    state = finished.model(weights).state_dict()
    with exported(path) as temporary:
        write_safetensors(temporary, state, describe(finished.checkpoint, weights, "ours"))
        again, _ = read_weights(temporary)
        if set(again) != set(state) or not all(torch.equal(again[name], state[name].cpu()) for name in state):
            raise ExportFailed(f"{path}: not written: what was read back differs", help="try again")
    return len(state)
