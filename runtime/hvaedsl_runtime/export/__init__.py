"""A trained model in files that other programs read: torch.export's .pt2, and safetensors."""

from hvaedsl_runtime.export.entry_points import WHAT, What
from hvaedsl_runtime.export.places import export_folder
from hvaedsl_runtime.export.program import ExportOptions, Written, export_program
from hvaedsl_runtime.export.tensors import export_tensors

__all__ = ["WHAT", "ExportOptions", "What", "Written", "export_folder", "export_program", "export_tensors"]
