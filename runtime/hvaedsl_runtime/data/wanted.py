"""Which data set is to be prepared: a name and, of one's own images, a shape."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.published import READERS

OWN_FOLDER = "folder"


def wanted_data(name: str, resolution: int | None, channels: int | None) -> DataSpec:
    """The data section that a spec of these images has. Raises UsageError for a name or a shape that cannot be."""
    if name not in READERS:
        reasons = {"digits": "digits comes with scikit-learn", "npy": "npy is arrays already: data.path names them"}
        raise UsageError(f"{reasons.get(name, f'no data set is called {name}')}; to prepare are {', '.join(READERS)}")
    if name == OWN_FOLDER:
        if resolution is None or channels not in (1, 3):
            raise UsageError("of one's own images, --resolution and --channels (1 or 3) say what they become")
        return DataSpec(
            dataset=name, channels=channels, resolution=resolution, levels=256, validation=0, binarize="none"
        )
    if resolution is not None or channels is not None:
        raise UsageError(f"--resolution and --channels are for one's own images; {name} has a shape")
    known = DATASETS[name]
    return DataSpec(
        dataset=name,
        channels=known.channels,
        resolution=known.resolution,
        levels=known.levels,
        validation=known.validation,
        binarize="none",
    )
