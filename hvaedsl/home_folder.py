"""`~` at the beginning of a path: the home folder of this user, or of the user whose name follows."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.diagnostics.errors import HvaedslError, UsageError


def expanded(written: str, setting: str, refusal: type[HvaedslError] = UsageError) -> Path:
    """Return the path with `~` replaced; `setting` is what a message calls the path.

    Raises `refusal` if the home folder is unknown.
    """
    try:
        return Path(written).expanduser()
    except RuntimeError as error:
        raise refusal(
            f"{setting} is {written}; the home folder of that user is unknown",
            help="use an absolute path, or put ./ before a name that starts with ~",
        ) from error
