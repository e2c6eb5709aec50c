"""The file of an export: existing files are not overwritten by accident, and no file is half written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hvaedsl.diagnostics.errors import OutputExists, UsageError
from hvaedsl.diagnostics.refusals import ANOTHER_FILE, refusals_explained
from hvaedsl_runtime.disk.run_folder import check_output_path
from hvaedsl_runtime.disk.whole_files import made_folder, put_in_place
from hvaedsl_runtime.evaluate.finished_run import FinishedRun


def check_output(path: Path, suffix: str, *, replace: bool) -> None:
    """Raise UsageError for a wrong suffix or a missing folder, OutputExists for a file that must not be replaced.

    Raises UsageError also for a file that a run needs, WriteError if the folder takes no files.
    """
    if path.suffix.lower() != suffix:
        raise UsageError(f"--out is {path}; it must end in {suffix}")
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"--out is {path}; it must be a file in an existing folder")
    check_output_path(path, ANOTHER_FILE)
    if path.exists() and not replace:
        raise OutputExists(f"{path} already exists", help=f"replace it with --force, or {ANOTHER_FILE}")


def export_folder(finished: FinishedRun) -> Path:
    """Return the folder `exports` of a run, created if missing. Raises WriteError."""
    return made_folder(finished.folder.path / "exports")


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write and check; renamed to `path` if the block succeeds, and removed otherwise.

    Raises WriteError.
    """
    with refusals_explained(path, ANOTHER_FILE), put_in_place(path) as temporary:
        yield temporary
