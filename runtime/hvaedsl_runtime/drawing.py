"""A setting of matplotlib that must precede its import, for the packages that draw."""

from __future__ import annotations

import logging


def quiet_matplotlib() -> None:
    """Do not log that matplotlib cannot write to the home folder: it uses a temporary folder, and draws the same."""
    logging.getLogger("matplotlib").addFilter(_is_not_about_its_folder)


def _is_not_about_its_folder(record: logging.LogRecord) -> bool:
    # "mkdir -p failed for path ...", "... is not a writable directory", "... created a temporary cache directory ..."
    return record.levelno != logging.WARNING or not any(word in str(record.msg) for word in ("mkdir", "directory"))
