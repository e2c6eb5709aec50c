"""The events in the log of a run, which must be there and undamaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hvaedsl_runtime.doctor.run_log import RunLog


def logged_events(path: Path, kind: str) -> list[dict[str, Any]]:
    """The events of a kind in the order of the file, also of steps that the run repeated."""
    log = RunLog.read(path)
    assert log.exists
    assert log.unreadable is None
    assert log.damaged == []
    return log.events(kind)
