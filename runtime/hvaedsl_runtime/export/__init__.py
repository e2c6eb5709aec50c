"""Export trained models to files that need no hvaedsl: torch.export's .pt2, and safetensors."""

from hvaedsl_runtime.export.entry_points import ENTRY_POINTS, EntryPoint
from hvaedsl_runtime.export.output_file import export_folder
from hvaedsl_runtime.export.program import ExportedFile, ExportOptions, export_program
from hvaedsl_runtime.export.tensors import export_tensors

__all__ = [
    "ENTRY_POINTS",
    "EntryPoint",
    "ExportOptions",
    "ExportedFile",
    "export_folder",
    "export_program",
    "export_tensors",
]
