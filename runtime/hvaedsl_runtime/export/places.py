"""Where an exported file goes: nothing is replaced unasked, and nothing is seen half written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hvaedsl.diagnostics.errors import OutputExists, UsageError
from hvaedsl_runtime.disk.whole_files import made_folder, put_in_place, refusals_explained
from hvaedsl_runtime.evaluate.finished_run import FinishedRun


def check_place(path: Path, suffix: str, *, replace: bool) -> None:
    """Raise UsageError for a name or a folder that does not serve, RunError (5) for a file that is there already."""
    if path.suffix.lower() != suffix:
        raise UsageError(f"--out names a file that ends in {suffix}, not {path}")
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"--out names a file in a folder that exists, not {path}")
    if path.exists() and not replace:
        raise OutputExists(f"{path} is there already", help="--force replaces it; or name another with --out")


def export_folder(finished: FinishedRun) -> Path:
    """The folder `exports` of a run, made where it is not there. Raises WriteError."""
    return made_folder(finished.folder.path / "exports")


@contextmanager
def exported(path: Path) -> Iterator[Path]:
    """A name to write under and to check; the file gets its own when the block ends well, else it is gone.

    Raises WriteError.
    """
    with refusals_explained(path, "name another with --out"), put_in_place(path) as temporary:
        yield temporary
