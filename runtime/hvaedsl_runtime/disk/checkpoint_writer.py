"""Saving while training continues: the state is copied, and a thread writes the copy, reads it back and prunes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl_runtime.disk.checkpoint_folder import Noted, check_room, write_folder
from hvaedsl_runtime.disk.checkpoint_names import FORMER_LAST, name_of
from hvaedsl_runtime.disk.saved_checkpoints import Retention, prune
from hvaedsl_runtime.disk.snapshot import Snapshot
from hvaedsl_runtime.heartbeat import beat

# How often a process that waits for its checkpoint looks whether more of it was written.
LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)


class CheckpointWriter:
    """Writes the checkpoints of a run into a folder, one at a time.

    Memory for a state of `expected` bytes is allocated at once. A failure of the thread is raised by the next call of a
    method: WriteError, or whatever it was. `before` is called by the thread first, for what has to be on the disk when
    the checkpoint is; `after`, once the checkpoint is complete.
    """

    def __init__(
        self,
        folder: Path,
        retention: Retention,
        expected: int,
        *,
        pinned: bool = False,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        self._folder = folder
        self._retention = retention
        self._snapshot = Snapshot(expected, pinned=pinned)
        self._before, self._after = before, after
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._pieces = 0  # that were written or read back

    def save(self, spec: str, state: Mapping[str, Any], noted: Noted) -> None:
        """Copy the state of a run, and start to write it; the one before is waited for.

        Raises WriteError if the disk has too little room.
        """
        self.wait()
        self._snapshot.take(state)
        check_room(self._folder, self._snapshot.size)
        self._thread = threading.Thread(target=self._write, args=(spec, noted), name="checkpoint")
        self._thread.start()

    @property
    def is_writing(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._thread is not None and self._thread.is_alive()

    def check(self) -> None:
        """Raise the failure of a thread that has ended."""
        if not self.is_writing:
            self.wait()

    def wait(self) -> None:
        """Wait until the checkpoint is complete. Raises the failure of the thread, once.

        As long as more of it is written, a slow disk is no hang: this thread beats for the other one.
        """
        if self._thread is not None:
            seen = None
            while self._thread.is_alive():
                if seen != self._pieces:
                    seen = self._pieces
                    beat("writing a checkpoint")
                self._thread.join(LOOK_SECONDS)
            self._thread = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _count_piece(self) -> None:
        self._pieces += 1

    def _write(self, spec: str, noted: Noted) -> None:
        try:
            self._before()
            path = self._folder / name_of(noted.step)
            write_folder(path, spec, self._snapshot, noted, progress=self._count_piece)
            logger.info("checkpoint written: %s", path)
            self._after()
            prune(self._folder, self._retention)
            with refusals_explained(path):
                # Of an earlier format: kept until now, in case this one would not come to be.
                (self._folder / FORMER_LAST).unlink(missing_ok=True)
        except BaseException as error:  # raised in the training thread
            self._failure = error
