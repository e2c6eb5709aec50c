"""Damage in every file of a run: `doctor` names the file, and never raises anything."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvaedsl_runtime.disk.checked_json import CRC32, checked_text
from hvaedsl_runtime.doctor.examination import examination_json, examination_lines, examine
from hvaedsl_runtime.doctor.finding import Finding
from tests.runtime.doctor.conftest import lines_of
from tests.soak import soak

FORMATS = Path(__file__).parents[1] / "disk"
DAMAGES, SAMPLE = 600, 60
# The bytes of a PNG whose damage does not change the picture: the checksum of its last, empty chunk.
PNG_END = 4


def findings_of(run: Path) -> tuple[Finding, ...]:
    """The findings of an examination that is also printed in both formats."""
    examination = examine(run)
    assert list(examination_lines(examination))
    assert json.loads(examination_json(examination))["findings"] is not None
    return examination.findings


def names_file(findings: tuple[Finding, ...], path: Path) -> bool:
    return any(found.file in (path, *path.parents) for found in findings)


def damaged(content: bytes, draw: random.Random, end: int) -> bytes:
    """The content with a flipped bit, or truncated."""
    at = draw.randrange(len(content) - end)
    if draw.random() < 0.3:
        return content[:at]
    return content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]


@pytest.mark.parametrize("count", [SAMPLE, soak(DAMAGES)])
def test_every_damaged_byte_is_found(run: Path, count: int) -> None:
    aside = run / "checkpoints" / "step-00000001.damaged"
    shutil.copytree(run / "checkpoints" / "step-00000002", aside)
    known = findings_of(run)
    assert [found.kind for found in known] == ["damaged-checkpoint"]
    files = sorted(path for path in run.rglob("*") if path.is_file())
    assert {"manifest.json", "state.json", "spec.hvae", "metrics.jsonl", "final.png", "best.json"} <= {
        path.name for path in files
    }

    draw = random.Random(count)
    for number in range(count):
        path = files[number % len(files)]
        before = path.read_bytes()
        path.write_bytes(content := damaged(before, draw, PNG_END if path.suffix == ".png" else 0))
        found = findings_of(run)
        if aside in path.parents:
            assert found != known, (path, content[:200])
        else:
            new = tuple(item for item in found if item not in known)
            assert names_file(new, path), (path, content[:200], new)
        path.write_bytes(before)
    assert findings_of(run) == known


@pytest.mark.parametrize("seed", [*range(20), *map(soak, range(20, 400))])
def test_values_of_any_kind_raise_nothing(run: Path, seed: int) -> None:
    """As in files of earlier versions, which have no checksums: any value may be anything."""
    draw = random.Random(seed)
    odd: list[Any] = [
        None,
        True,
        -1,
        0,
        1e400,
        float("nan"),
        "",
        "x",
        [],
        [[]],
        {},
        {"step": []},
        10**400,
        [None, "x", 1e300],
    ]

    lines = lines_of(run)
    for _ in range(draw.randrange(1, 12)):
        line = draw.choice(lines)
        line[draw.choice(list(line))] = draw.choice(odd)
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (run / "metrics.jsonl").write_text(text)
    for name in ("run.json", "summary.json", "checkpoints/best.json"):
        content = json.loads((run / name).read_text())
        del content["sha256"]
        content[draw.choice(list(content))] = draw.choice(odd)
        (run / name).write_text(json.dumps(content))
    findings_of(run)


@pytest.mark.parametrize(
    "name",
    ["spec.hvae", "run.json", "metrics.jsonl", "checkpoints", "checkpoints/step-00000006", "*/*6/model.safetensors"],
)
def test_what_is_missing_is_found(run: Path, name: str) -> None:
    (path,) = run.glob(name)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    found = findings_of(run)
    assert any(str(path) in item.what and item.kind == "missing-file" for item in found) or (
        path.parent.name == "step-00000006" and any(f"{path} is missing" in item.what for item in found)
    ), found


@pytest.mark.parametrize("name", ["spec.hvae", "run.json", "metrics.jsonl", "summary.json", "checkpoints/best.json"])
def test_a_folder_in_place_of_a_file_is_found(run: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).mkdir()
    assert any(found.file == run / name for found in findings_of(run))


def test_an_empty_log_is_found(run: Path) -> None:
    (run / "metrics.jsonl").write_bytes(b"")
    assert any(found.kind == "log-gap" and "lines are missing" in found.what for found in findings_of(run))


@pytest.mark.parametrize("format_", [1, 2, 3])
@pytest.mark.parametrize("damage", [None, lambda content: content[:100]])
def test_runs_of_earlier_formats_are_read(
    tmp_path: Path, format_: int, damage: Callable[[bytes], bytes] | None
) -> None:
    left, run = FORMATS / f"format_{format_}", tmp_path / "tiny"
    (run / "checkpoints").mkdir(parents=True)
    for name in ("spec.hvae", "run.json", "metrics.jsonl"):
        shutil.copy(left / name, run / name)
    for packed in left.glob("*.pt.gz"):
        content = gzip.decompress(packed.read_bytes())
        (run / "checkpoints" / packed.stem).write_bytes(damage(content) if damage is not None else content)
    found = findings_of(run)
    examination = examine(run)
    assert examination.state.name == "finished"
    assert ("damaged-file" in {item.kind for item in found}) == (damage is not None), found
    if damage is None:
        assert examination.facts[0].startswith("whole checkpoints: steps ")


def test_many_damaged_lines_are_counted(run: Path) -> None:
    lines = [f"{checked_text(line, CRC32)}\n".replace('"step"', '"stop"') for line in lines_of(run)]
    (run / "metrics.jsonl").write_text("".join(lines))
    found = [item.what for item in findings_of(run) if item.kind == "damaged-file"]
    assert len(found) == 4
    assert found[-1].endswith(f"{len(lines) - 3} more lines damaged")
