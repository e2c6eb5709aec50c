from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

import pytest

from hvaedsl_runtime.analysis.every import ANALYSES

Trained = Callable[..., Path]
Command = Callable[..., tuple[object, str, str]]
VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """A page's references, ids, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[tuple[str, str]] = []
        self.pictures: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.references += [(tag, values[name]) for name in ("src", "href", "action", "srcset") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        if tag == "img":
            self.pictures.append(values["src"])
            assert values["alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def refuse(constant: str) -> NoReturn:
    raise AssertionError(constant)


@pytest.fixture
def run_copy(trained: Trained, tmp_path: Path) -> Path:
    shutil.copytree(trained(), tmp_path / "run")
    return tmp_path / "run"


def test_the_page_holds_every_figure_and_loads_nothing(run_copy: Path, command: Command) -> None:
    code, out, err = command("report", run_copy, "--images", "6", "--device", "cpu")
    assert code == 0, err
    text = (run_copy / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all(reference.startswith(("data:", "#")) for _, reference in page.references)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert "@import" not in text
    assert "url(" not in text
    anchors = {reference[1:] for _, reference in page.references if reference.startswith("#")}
    assert anchors == set(page.ids) == {"results", "architecture", *(analysis.name for analysis in ANALYSES)}
    assert all(f"{analysis.name}: " in out for analysis in ANALYSES)
    kinds = {"image/svg+xml": 0, "image/png": 0}
    for picture in page.pictures:
        head, _, body = picture.partition(";base64,")
        content = base64.b64decode(body, validate=True)
        kinds[head.removeprefix("data:")] += 1
        if "svg" in head:
            ElementTree.fromstring(content)
        else:
            assert content.startswith(b"\x89PNG")
    assert kinds["image/svg+xml"] >= 6  # the bridge, norms, KL twice, partial posteriors, curves
    assert kinds["image/png"] >= 6  # temperatures twice, three masks, reconstructions


def test_the_page_holds_the_results_the_spec_and_the_data(run_copy: Path, command: Command) -> None:
    summary = json.loads((run_copy / "summary.json").read_text())
    command("report", run_copy, "--images", "4")
    text = (run_copy / "report.html").read_text(encoding="utf-8")
    for weights in ("raw", "ema"):
        assert f"{summary['test'][weights]['bits_per_dim']:.4f}" in text
    assert "encoder    = 8x1, 8d2, 4x2, 4d4, 1x1" in text
    uris = [reference for _, reference in Page(text).references if reference.startswith("data:application/json")]
    assert len(uris) == len(ANALYSES)
    for uri in uris:
        json.loads(base64.b64decode(uri.partition(",")[2]), parse_constant=refuse)


def test_names_cannot_break_the_page(run_copy: Path, command: Command) -> None:
    (run_copy / "run.json").write_text(json.dumps({"name": '<script>alert("1")</script>'}), encoding="utf-8")
    code, _, err = command("report", run_copy, "--images", "2")
    assert code == 0, err
    page = Page((run_copy / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags


def test_a_run_that_was_killed_before_its_end_is_reported_too(run_copy: Path, command: Command) -> None:
    (run_copy / "summary.json").unlink()
    code, _, err = command("report", run_copy, "--images", "2")
    assert code == 0, err
    assert "There is no evaluation of step 8 yet" in (run_copy / "report.html").read_text(encoding="utf-8")
    assert command("eval", run_copy)[0] == 0
    assert command("report", run_copy, "--images", "2")[0] == 0
    assert "of the test images after 8 steps" in (run_copy / "report.html").read_text(encoding="utf-8")


def test_mistakes_are_one_readable_error(run_copy: Path, tmp_path: Path, command: Command) -> None:
    cases: list[tuple[int, str, tuple[Path | str, ...]]] = [
        (5, "no such folder", (tmp_path / "nothing",)),
        (5, "no checkpoint", (tmp_path,)),
        (2, "--out names an .html file", (run_copy, "--out", tmp_path / "page.pdf")),
        (2, "--out names an .html file", (run_copy, "--out", tmp_path / "nowhere" / "page.html")),
    ]
    for expected, words, arguments in cases:
        code, _, err = command("report", *arguments)
        assert code == expected, (arguments, err)
        assert words in err
        assert "Traceback" not in err
    (run_copy / "summary.json").write_text("{", encoding="utf-8")
    code, _, err = command("report", run_copy, "--images", "2")
    assert code == 5
    assert "summary.json: cannot be read as JSON" in err
    assert not (run_copy / "report.html").exists()
