"""The packages of the extra `hf`, which read tables and download datasets."""

from __future__ import annotations

from importlib.util import find_spec

from hvaedsl.diagnostics.errors import UsageError

# A file needs pyarrow alone: `datasets` would copy it to its cache and map the copy into memory.
FOR_FILES, FOR_DOWNLOADS = ("pyarrow", "filelock"), ("datasets",)


def require(dataset: str, *, download: bool) -> None:
    """Raise UsageError unless the packages that read tables, or download them too, are installed. None is imported."""
    packages = (*FOR_FILES, *FOR_DOWNLOADS) if download else FOR_FILES
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"{dataset}: Hugging Face datasets need the extra `hf` ({', '.join(missing)} missing): "
            "pip install 'hvaedsl[hf]'",
            help="install it, or read images in another form: `npy`, `folder`, or a custom dataset",
        )
