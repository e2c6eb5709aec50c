"""The folders in which the files of a dataset are searched for."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from hvaedsl.diagnostics.errors import DataNotFound, RunError
from hvaedsl.ir.spec import DataSpec

ENVIRONMENT_VARIABLE = "HVAEDSL_DATA"


def places(spec: DataSpec) -> dict[Path, str]:
    """Return the folders or files to search, in this order, each with the name of the setting that it comes from.

    Only `data.path` (relative to the working directory) if the spec has it; otherwise the folder in HVAEDSL_DATA, if
    that is set, then `data` in the user's cache folder.
    """
    if spec.path is not None:
        return {_expanded(spec.path): "data.path"}
    found: dict[Path, str] = {}
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        found[Path(variable).expanduser()] = ENVIRONMENT_VARIABLE
    found.setdefault(user_cache_path("hvaedsl") / "data", "the cache folder")
    return found


def located(spec: DataSpec) -> DataSpec:
    """Return the data section with an absolute `data.path`; a path that starts with `~` is kept."""
    if spec.path is None or _expanded(spec.path).is_absolute():
        return spec
    return spec.model_copy(update={"path": str(Path(spec.path).absolute())})


def _expanded(written: str) -> Path:
    try:
        return Path(written).expanduser()
    except RuntimeError as error:
        raise DataNotFound(
            f"data.path is {written}; the home folder of that user is unknown",
            help="use an absolute path, or put ./ before a name that starts with ~",
        ) from error


def default_folder(dataset: str) -> Path:
    """Return the folder of prepared images without `data.path`: in HVAEDSL_DATA if set, or in the cache folder."""
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(variable).expanduser() / dataset
    return user_cache_path("hvaedsl") / "data" / dataset


def not_found(spec: DataSpec, expected: str, way_out: str) -> RunError:
    """Make the error that lists every place searched; `expected` names the files that one of them must have."""
    if spec.path is None:
        elsewhere = f"or set data.path or the environment variable {ENVIRONMENT_VARIABLE} to another folder"
    else:
        elsewhere = "or correct data.path"
        if not _expanded(spec.path).is_absolute():
            elsewhere += f", which is relative to the working directory, {Path.cwd()}"
    searched = "\n".join(f"  {place} ({source})" for place, source in places(spec).items())
    return DataNotFound(
        f"the images of {spec.dataset} were not found; expected {expected} in\n{searched}",
        help=f"{way_out}, {elsewhere}",
    )
