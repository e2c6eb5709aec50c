"""After which failures several processes are restarted, how often, and how long after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hvaedsl.diagnostics.errors import Hung, HvaedslError, ProcessFailed, ProcessLost
from hvaedsl_runtime.disk.run_folder import RunFolder

# The causes that a new process may not have: it was killed, lost a connection, hangs. Everything else would come again:
# a mistake of the user, images that cannot be read, a full disk, a divergence, a bug.
TRANSIENT = (ProcessFailed, ProcessLost, Hung)
LONGEST_PAUSE_SECONDS = 60.0

Progress = tuple[tuple[str, int, int], ...]


@dataclass
class Restarts:
    """Counts the restarts of a run, of which `most` may follow each other without a new checkpoint in between."""

    most: int
    folder: RunFolder
    count: int = 0
    _saved: Progress = ()

    def __post_init__(self) -> None:
        """Remember the checkpoints that are there."""
        self._saved = checkpoints(self.folder)

    def pause_after(self, error: HvaedslError) -> float | None:
        """How many seconds to wait before a restart after this error; None if there is to be none."""
        if not isinstance(error, TRANSIENT):
            return None
        saved = checkpoints(self.folder)
        if saved != self._saved:
            self.count, self._saved = 0, saved
        if self.count >= self.most:
            return None
        self.count += 1
        return min(2.0 ** (self.count - 1), LONGEST_PAUSE_SECONDS)


def checkpoints(folder: RunFolder) -> Progress:
    """The files of the checkpoints of a run with their sizes and times: what changes if one is written."""
    found: list[tuple[str, int, int]] = []
    for path in sorted(folder.checkpoint.parent.rglob("*")):
        try:
            status = path.stat()
        except OSError:  # replaced in between
            continue
        if path.is_file() and not is_partial(path):
            found.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(found)


def is_partial(path: Path) -> bool:
    """Whether a file was being written, or lies in such a folder."""
    return ".partial" in path.name or any(".partial" in parent.name for parent in path.parents)
