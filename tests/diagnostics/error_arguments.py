"""Arguments beside the message for the exceptions that need some or keep others."""

from __future__ import annotations

import signal
from typing import Any

from hvaedsl.diagnostics.errors import HvaedslError, ProcessFailed, RunsFailed, Stopped, UnusableImages, WriteError

ARGUMENTS: dict[type[HvaedslError], dict[str, Any]] = {
    Stopped: {"signal": signal.SIGTERM},
    ProcessFailed: {"status": -9},
    RunsFailed: {"first": 7},
    WriteError: {"remedy": "make room there", "reason": "No space left on device"},
    UnusableImages: {"problems": ["a list"]},
}
