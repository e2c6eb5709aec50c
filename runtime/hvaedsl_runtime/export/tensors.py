"""Export the weights of a run to safetensors, with the names of the module and of the emitted Python file."""

from __future__ import annotations

from pathlib import Path

import torch

from hvaedsl.diagnostics.errors import ExportFailed
from hvaedsl_runtime.convert.conversion import describe
from hvaedsl_runtime.disk.weights import SAFETENSORS, read_weights, write_safetensors
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.export.output_file import check_output, output_file


def export_tensors(finished: FinishedRun, path: Path, weights: Weights, *, replace: bool = False) -> int:
    """Write the weights, with spec, step and preparation as metadata, and return the number of tensors.

    The file is read back and compared before it gets its name. Raises UsageError for an unsuitable name, OutputExists
    for an existing file, ExportFailed if the file differs from the weights, WriteError if it cannot be written.
    """
    check_output(path, SAFETENSORS, replace=replace)

    state = finished.model(weights).state_dict()
    with output_file(path) as temporary:
        write_safetensors(temporary, state, describe(finished.checkpoint, weights, "ours"))
        again, _ = read_weights(temporary)
        if set(again) != set(state) or not all(torch.equal(again[name], state[name].cpu()) for name in state):
            raise ExportFailed(f"{path}: not written: the tensors read back differ from the model's", help="try again")
    return len(state)
