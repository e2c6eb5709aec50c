"""The folders in which the files of a dataset are searched for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, RunError, UsageError
from hvaedsl.diagnostics.printable import is_unicode
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl.home_folder import expanded
from hvaedsl.ir.hub import PREFIX, is_hub
from hvaedsl.ir.spec import DataSpec
from hvaedsl.user_cache import user_cache

ENVIRONMENT_VARIABLE = "HVAEDSL_DATA"
# What a user names the one folder of a dataset with: the key of a spec, and the option of `hvaedsl data prepare`.
DATA_PATH, FROM = "data.path", "--from"
GIVEN = (DATA_PATH, FROM)
# A variable of the environment, as a shell reads it.
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})")
NO_CACHE = "there is no cache folder, because the home folder of this user is unknown"


def places(spec: DataSpec) -> dict[Path, str]:
    """Return the folders or files to search, in this order, each with the name of the setting that it comes from.

    Only `data.path` (relative to the working directory) if the spec has it; otherwise the folder in HVAEDSL_DATA, if
    that is set, then `data` in the user's cache folder, if there is one. Raises DataNotFound for a ~ without a folder.
    """
    if spec.path is not None:
        return {_expanded(spec.path): DATA_PATH}
    found: dict[Path, str] = {}
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        found[_expanded(variable, ENVIRONMENT_VARIABLE)] = ENVIRONMENT_VARIABLE
    if (cache := user_cache()) is not None:
        found.setdefault(cache / "data", "the cache folder")
    return found


def located(spec: DataSpec) -> DataSpec:
    """Return the data section with an absolute `data.path`; a path that starts with `~` is kept.

    Raises InvalidData if the working directory has a name that a spec cannot contain.
    """
    if spec.path is None or _expanded(spec.path).is_absolute():
        return spec
    path = str(Path(spec.path).absolute())
    if not is_unicode(path):
        raise InvalidData(
            f"data.path is {spec.path}, in a working directory whose name is not UTF-8 text: {Path.cwd()}",
            help="the spec of a run has the absolute path, and is UTF-8 text: rename the directory, or set data.path "
            "to a link elsewhere",
        )
    return spec.model_copy(update={"path": path})


def _expanded(written: str, setting: str = DATA_PATH) -> Path:
    return expanded(written, setting, DataNotFound)


def folder_name(dataset: str) -> str:
    """The name of the folder of a dataset in one that holds several, as a path: `cifar10`, `hf/OWNER/NAME`."""
    return dataset.replace(PREFIX, "hf/", 1) if is_hub(dataset) else dataset


def default_folder(dataset: str) -> Path:
    """Return the folder of prepared images without `data.path`: in HVAEDSL_DATA if set, or in the cache folder.

    Raises UsageError if neither is known, DataNotFound for a ~ without a folder.
    """
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        return _expanded(variable, ENVIRONMENT_VARIABLE) / folder_name(dataset)
    if (cache := user_cache()) is None:
        raise UsageError(
            NO_CACHE, help=f"name a folder with --out, or set the environment variable {ENVIRONMENT_VARIABLE}"
        )
    return cache / "data" / folder_name(dataset)


def not_found(spec: DataSpec, expected: str, way_out: str, searched: Mapping[Path, str] | None = None) -> RunError:
    """Make the error that lists every place searched; `expected` names the files that one of them must have.

    `searched` are the places, each with the setting that it comes from; by default, those of the spec.
    """
    searched = places(spec) if searched is None else searched
    if not searched:
        return DataNotFound(
            f"the images of {spec.dataset} were not found: {NO_CACHE}",
            help=f"set {DATA_PATH} or the environment variable {ENVIRONMENT_VARIABLE} to the folder that has, or will "
            f"have, {expected}",
        )

    place, setting = next(iter(searched.items()))
    if setting not in GIVEN:
        elsewhere = f"or set {DATA_PATH} or the environment variable {ENVIRONMENT_VARIABLE} to another folder"
    else:
        elsewhere = f"or correct {setting}"
        if not place.is_absolute():
            elsewhere += f", which is relative to the working directory, {Path.cwd()}"
    others = filter(None, map(other_form, searched))
    helps = [other.help for other in others]
    if (variable := _VARIABLE.search(str(place))) is not None:
        helps.append(f"write the value of {variable[0]}, which only a shell puts in its place")
    way_out = "; ".join([*helps, way_out])
    lines = "\n".join(f"  {place} ({setting})" for place, setting in searched.items())
    return DataNotFound(
        f"the images of {spec.dataset} were not found; expected {expected} in\n{lines}",
        help=f"{way_out}, {elsewhere}",
    )
