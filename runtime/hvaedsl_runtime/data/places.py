"""Where the files of a data set are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from hvaedsl.diagnostics.errors import DataNotFound, RunError
from hvaedsl.ir.spec import DataSpec

ENVIRONMENT_VARIABLE = "HVAEDSL_DATA"


def places(spec: DataSpec) -> dict[Path, str]:
    """The places to look at, the first one first, each with what names it.

    `data.path` alone where it is written (relative to the working directory); else the folder that HVAEDSL_DATA
    names, where it is set, then `data` in the user's cache folder.
    """
    if spec.path is not None:
        return {_expanded(spec.path): "data.path"}
    found: dict[Path, str] = {}
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        found[Path(variable).expanduser()] = ENVIRONMENT_VARIABLE
    found.setdefault(user_cache_path("hvaedsl") / "data", "the cache folder")
    return found


def located(spec: DataSpec) -> DataSpec:
    """The same data, with a `data.path` that means the same from every working directory; `~` stays as it is."""
    if spec.path is None or _expanded(spec.path).is_absolute():
        return spec
    return spec.model_copy(update={"path": str(Path(spec.path).absolute())})


def _expanded(written: str) -> Path:
    try:
        return Path(written).expanduser()
    except RuntimeError as error:
        raise DataNotFound(
            f"data.path = {written}: there is no such user's home folder",
            help="write the whole path, or ./ before a name that begins with ~",
        ) from error


def default_folder(dataset: str) -> Path:
    """Where prepared images are found without `data.path`: below what HVAEDSL_DATA names, else in the cache folder."""
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(variable).expanduser() / dataset
    return user_cache_path("hvaedsl") / "data" / dataset


def not_found(spec: DataSpec, wanted: str, way_out: str) -> RunError:
    """The error that lists every place looked at; `wanted` says what should lie there."""
    if spec.path is None:
        elsewhere = f"other places can be named by data.path or the environment variable {ENVIRONMENT_VARIABLE}"
    else:
        elsewhere = "or correct data.path"
        if not _expanded(spec.path).is_absolute():
            elsewhere += f", which is relative to the working directory, {Path.cwd()}"
    looked_at = "\n".join(f"  {place} ({source})" for place, source in places(spec).items())
    return DataNotFound(
        f"the images of {spec.dataset} were not found; wanted {wanted}; looked in\n{looked_at}",
        help=f"{way_out}; {elsewhere}",
    )
