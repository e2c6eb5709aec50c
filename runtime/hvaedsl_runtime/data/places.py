"""Where the files of a data set are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from hvaedsl.errors import RunError
from hvaedsl.ir.spec import DataSpec

ENVIRONMENT_VARIABLE = "HVAEDSL_DATA"


def places(spec: DataSpec) -> dict[Path, str]:
    """The places to look at, the first one first, each with what names it.

    `data.path` alone where it is written (relative to the working directory); else the folder that HVAEDSL_DATA
    names, where it is set, then `data` in the user's cache folder.
    """
    if spec.path is not None:
        return {Path(spec.path).expanduser(): "data.path"}
    found: dict[Path, str] = {}
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        found[Path(variable).expanduser()] = ENVIRONMENT_VARIABLE
    found.setdefault(user_cache_path("hvaedsl") / "data", "the cache folder")
    return found


def not_found(spec: DataSpec, wanted: str, way_out: str) -> RunError:
    """The error that lists every place looked at; `wanted` says what should lie there."""
    looked_at = "\n".join(f"  {place} ({source})" for place, source in places(spec).items())
    return RunError(
        f"the images of {spec.dataset} were not found; wanted {wanted}; looked in\n{looked_at}",
        help=f"{way_out}; other places can be named by data.path or the environment variable {ENVIRONMENT_VARIABLE}",
        exit_code=4,
    )
