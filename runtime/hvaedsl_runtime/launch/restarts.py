"""After which failures several processes are restarted, how often, and how long after."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from hvaedsl.diagnostics.errors import Hung, HvaedslError, ProcessFailed, ProcessLost
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import candidates

# The causes that a new process may not have: it was killed, lost a connection, hangs. Everything else would come again:
# a mistake of the user, images that cannot be read, a full disk, a divergence, a bug.
TRANSIENT = (ProcessFailed, ProcessLost, Hung)
LONGEST_PAUSE_SECONDS = 60.0

Progress = tuple[tuple[str, int], ...]


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
    """The complete checkpoints of a run, the newest first, each with its time: what changes if one is written."""
    found: list[tuple[str, int]] = []
    with suppress(OSError):  # one is removed in between
        for path in candidates(folder.checkpoints):
            found.append((path.name, path.stat().st_mtime_ns))
    return tuple(found)
