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

from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.analysis.html_report import report_html, write_report
from hvaedsl_runtime.analysis.registry import ANALYSES
from hvaedsl_runtime.disk.checked_json import read_checked
from hvaedsl_runtime.evaluate.finished_run import FinishedRun

Trained = Callable[..., Path]
Command = Callable[..., tuple[object, str, str]]
VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """The references and ids of a page, and its open elements."""

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


@pytest.fixture(scope="module")
def report(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[str]]:
    """A run whose model has a hostile name, its page, and the lines that were printed."""
    run, said = tmp_path_factory.mktemp("report") / "run", list[str]()
    shutil.copytree(trained(), run)
    (run / "run.json").write_text(json.dumps({"name": '<script>alert("1")</script>'}), encoding="utf-8")
    write_report(Subject(FinishedRun.open(run, "cpu"), images=6), run / "report.html", said.append)
    return run, (run / "report.html").read_text(encoding="utf-8"), said


def test_the_page_is_self_contained(report: tuple[Path, str, list[str]]) -> None:
    _, text, said = report
    page = Page(text)
    assert page.open == []
    assert all(reference.startswith(("data:", "#")) for _, reference in page.references)
    assert "@import" not in text
    assert "url(" not in text
    anchors = {reference[1:] for _, reference in page.references if reference.startswith("#")}
    assert anchors == set(page.ids) == {"results", "architecture", *(analysis.name for analysis in ANALYSES)}
    assert [line.partition(":")[0] for line in said] == [analysis.name for analysis in ANALYSES]
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


def test_names_cannot_break_the_page(report: tuple[Path, str, list[str]]) -> None:
    page = Page(report[1])
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert "alert(&#34;1&#34;)" in report[1]


def test_the_page_has_the_results_the_spec_and_the_data(report: tuple[Path, str, list[str]]) -> None:
    run, text, _ = report
    summary = json.loads((run / "summary.json").read_text())
    for weights in ("raw", "ema"):
        assert f"{summary['test'][weights]['bits_per_dim']:.4f}" in text
    assert "encoder    = 8x1, 8d2, 4x2, 4d4, 1x1" in text
    uris = [reference for _, reference in Page(text).references if reference.startswith("data:application/json")]
    assert len(uris) == len(ANALYSES)
    for uri in uris:
        json.loads(base64.b64decode(uri.partition(",")[2]), parse_constant=refuse)


def test_the_command_writes_the_page(run_copy: Path, tmp_path: Path, command: Command) -> None:
    page = tmp_path / "page.html"
    code, out, err = command("report", run_copy, "--images", "2", "--device", "cpu", "--out", page)
    assert code == 0, err
    assert f"written: {page}" in out
    assert "averaged weights" in page.read_text(encoding="utf-8")
    assert not (run_copy / "report.html").exists()


def test_a_run_without_its_last_evaluation_says_how_to_get_one(run_copy: Path, command: Command) -> None:
    def page() -> str:
        return report_html(Subject(FinishedRun.open(run_copy, "cpu")), [])

    (run_copy / "summary.json").unlink()
    assert "Step 8 has not been evaluated yet" in page()
    assert command("eval", run_copy)[0] == 0
    assert "of the test images after 8 steps" in page()
    evaluated = read_checked(run_copy / "eval_test.json", way_out="")
    assert f"{evaluated['raw']['bits_per_dim']:.4f}" in page()
    # An evaluation of another step is not used.
    (run_copy / "eval_test.json").write_text(json.dumps({**evaluated, "step": 4}), encoding="utf-8")
    assert "Step 8 has not been evaluated yet" in page()


def test_mistakes_are_one_readable_error(run_copy: Path, tmp_path: Path, command: Command) -> None:
    cases: list[tuple[int, str, tuple[Path | str, ...]]] = [
        (5, "no such folder", (tmp_path / "nothing",)),
        (5, "no run in this folder", (tmp_path,)),
        (
            2,
            "must name a file that ends in .html",
            (run_copy, "--out", tmp_path / "page.pdf"),
        ),
        (
            2,
            "must name a file that ends in .html",
            (run_copy, "--out", tmp_path / "nowhere" / "page.html"),
        ),
    ]
    for expected, words, arguments in cases:
        code, _, err = command("report", *arguments)
        assert code == expected, (arguments, err)
        assert words in err
        assert "Traceback" not in err
    (run_copy / "summary.json").write_text("{", encoding="utf-8")
    code, _, err = command("report", run_copy, "--images", "1")
    assert code == 5
    assert "summary.json: cannot be read: it is not JSON" in err
    assert not (run_copy / "report.html").exists()
    (run_copy / "summary.json").write_text(
        '{"steps": 8, "test": {"raw": {"loss_nats_per_dim": "x"}}}', encoding="utf-8"
    )
    code, _, err = command("report", run_copy, "--images", "1")
    assert code == 5
    assert "summary.json: its bounds are not numbers" in err


@pytest.mark.parametrize("log", ["", '{"step": 1, "split": "tr', "3\n4\n", '{"step": 1, "split": "train"}\n'])
def test_an_empty_or_damaged_log_is_a_page_or_one_error(run_copy: Path, command: Command, log: str) -> None:
    (run_copy / "metrics.jsonl").write_text(log, encoding="utf-8")
    code, _, err = command("report", run_copy, "--images", "1", "--device", "cpu")
    damaged = log.endswith("\n")
    assert code == (5 if damaged else 0), err
    assert "metrics.jsonl" in err  # lines are missing, or one is damaged
