"""The packages of the extra `hf`, which read tables and download datasets."""

from __future__ import annotations

from importlib.util import find_spec

from hvaedsl.diagnostics.errors import UsageError

# A file needs pyarrow alone: `datasets` would copy it to its cache and map the copy into memory.
FILES, DOWNLOAD = ("pyarrow", "filelock"), ("pyarrow", "filelock", "datasets")


def require(dataset: str, packages: tuple[str, ...]) -> None:
    """Raise UsageError unless packages of the extra can be imported. None is imported."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"{dataset}: Hugging Face datasets need the extra `hf` ({', '.join(missing)} missing): "
            "pip install 'hvaedsl[hf]'",
            help="install it, or read images in another form: `npy`, `folder`, or a custom dataset",
        )
