"""CITATION.cff is what its schema says, as check-jsonschema brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CITATION = Path(__file__).parents[2] / "CITATION.cff"


def valid(path: Path) -> bool:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format")
    done = subprocess.run((*command, str(path)), capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return not done.returncode


def test_the_schema(tmp_path: Path) -> None:
    assert valid(CITATION)
    wrong = tmp_path / "CITATION.cff"
    wrong.write_text(CITATION.read_text(encoding="utf-8").replace("cff-version", "cff-versoin"), encoding="utf-8")
    assert not valid(wrong)
