"""While one text is compiled for long, the server answers: a compiler that sleeps stands for a large spec."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from hvaedsl.lsp.analyzed import Outdated, compiled
from hvaedsl.lsp.background import Background
from hvaedsl.lsp.open_documents import OpenDocuments
from tests.lsp.client import Client
from tests.lsp.conftest import Start
from tests.lsp.texts import GOOD

# A text that holds `# slow SECONDS` takes that long; every compilation is written down in the file.
SLOW = """
import re, time, hvaedsl.lsp.background as background
compiled = background.compiled
def slow(found, *between):
    with open({log!r}, "a") as log:
        print(found.source.name, found.version, file=log)
    for seconds in re.findall("# slow ([0-9]+)", found.text):
        time.sleep(int(seconds))
    return compiled(found, *between)
background.compiled = slow
"""
WHOLE = {"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}}
ENCODER = GOOD.splitlines().index("  encoder = 32x2, 32d2, 2*16r$n, 16d4, 4x1@low  # hvae: ignore[HV513]")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "compiled.txt"


@pytest.fixture
def client(start: Start, log: Path) -> Client:
    more = {"workspace": {"inlayHint": {"refreshSupport": True}}}
    return start(before=SLOW.format(log=str(log)), more=more)


@pytest.fixture
def slow(tmp_path: Path) -> str:
    return (tmp_path / "slow.hvae").as_uri()


def hints(client: Client, uri: str) -> list[str]:
    found = client.request("textDocument/inlayHint", {"textDocument": {"uri": uri}, "range": WHOLE})
    return [item["label"] for item in found]


def hovered(client: Client, uri: str) -> str:
    said: str = client.at("hover", uri, ENCODER, 13)["contents"]["value"]
    return said


def test_what_needs_the_text_alone_is_answered_meanwhile(client: Client, slow: str) -> None:
    client.open(slow, GOOD.replace("16d4", "") + "# slow 20")
    offered = client.at("completion", slow, ENCODER, 33)
    assert [item["label"] for item in offered][:4] == ["16x", "16r", "16", "16d2"]
    parameters = {"textDocument": {"uri": slow}}
    assert client.request("textDocument/documentSymbol", parameters)
    assert client.request("textDocument/semanticTokens/full", parameters)["data"]
    assert client.at("rename", slow, 1, 4, newName="k")
    assert slow not in client.diagnostics


def test_other_texts_are_compiled_meanwhile(client: Client, slow: str, spec: str) -> None:
    client.open(slow, GOOD + "# slow 20")
    client.open(spec, GOOD.replace("16d4", "16d3"))
    assert "HV303" in [item["code"] for item in client.found(spec)]
    assert hovered(client, spec)
    assert slow not in client.diagnostics


def test_figures_wait_a_moment_and_then_are_those_of_the_last_good_text(client: Client, slow: str) -> None:
    client.open(slow, GOOD)
    figures, labels = hovered(client, slow), hints(client, slow)
    assert "parameters" in figures
    client.change(slow, GOOD + "# slow 3")
    assert hovered(client, slow) == figures
    assert hints(client, slow) == labels
    changed = GOOD.replace("= 32x2,", "= 32x3,") + "# slow 3"
    client.change(slow, changed)
    assert "the spec is being compiled" in hovered(client, slow)
    assert hints(client, slow)[0].startswith("depth")  # the decoder is as it was, the encoder is not
    assert client.asked == []
    assert client.found(slow) == []
    while not client.asked:
        client.request("textDocument/foldingRange", {"textDocument": {"uri": slow}})
    assert client.asked == ["workspace/inlayHint/refresh"]
    assert "3 residual blocks" in hovered(client, slow)


def test_what_is_found_in_an_old_text_is_dropped(client: Client, slow: str, log: Path) -> None:
    client.open(slow, GOOD.replace("16d4", "16d3") + "# slow 1")
    while not log.exists():
        client.at("completion", slow, ENCODER, 13)
    for _ in range(5):
        client.change(slow, GOOD.replace("16d4", "16d5"))
    client.change(slow, GOOD)
    assert client.found(slow) == []
    assert log.read_text().splitlines() == ["slow.hvae 1", "slow.hvae 7"]


def test_the_compilation_of_an_old_text_ends(tmp_path: Path) -> None:
    documents = OpenDocuments()
    uri = (tmp_path / "spec.hvae").as_uri()
    documents.put(uri, GOOD, 1)
    old = documents.known(uri)
    assert old is not None
    steps: list[int] = []

    def between() -> None:
        steps.append(1)
        if len(steps) == 5:  # in the rules
            documents.put(uri, GOOD + "# new", 2)
        if not documents.has(old):
            raise Outdated

    with pytest.raises(Outdated):
        compiled(old, between)
    assert len(steps) == 5


def test_a_compilation_waits_for_the_answer_to_a_request(tmp_path: Path) -> None:
    async def ask() -> tuple[bool, bool]:
        documents = OpenDocuments()
        uri = (tmp_path / "spec.hvae").as_uri()
        documents.put(uri, GOOD, 1)
        background = Background(documents)
        with background.paused():
            work = asyncio.create_task(background.compiled(uri))
            await asyncio.sleep(0.3)
            meanwhile = work.done()
        await work
        found = documents.known(uri)
        return meanwhile, found is not None and found.compilation is not None

    assert asyncio.run(ask()) == (False, True)


def test_a_text_that_does_not_change_is_compiled_once(client: Client, slow: str, spec: str, log: Path) -> None:
    client.open(slow, GOOD)
    client.found(slow)
    client.open(spec, GOOD)
    for end in ("# a", "# b"):
        client.change(spec, GOOD + end)
        client.found(spec)
    client.notify("textDocument/didSave", {"textDocument": {"uri": spec}})
    client.found(slow, again=True)  # judged anew, by what lies beside it
    assert log.read_text().count("slow.hvae") == 1


def test_requests_can_be_cancelled(client: Client, slow: str) -> None:
    client.open(slow, GOOD + "# slow 2")
    place = {"textDocument": {"uri": slow}, "position": {"line": ENCODER, "character": 13}}
    sent = client.send("textDocument/hover", place)
    client.notify("$/cancelRequest", {"id": sent})
    assert client.answer(sent)["error"]["code"] == -32800
    assert client.found(slow) == []  # the compilation goes on


def test_the_end_does_not_wait(client: Client, slow: str, log: Path) -> None:
    client.open(slow, GOOD + "# slow 60")
    while not log.exists():
        client.at("completion", slow, ENCODER, 13)
    start = monotonic()
    code, errors = client.close()
    assert (code, errors) == (0, "")
    assert monotonic() - start < 20


def test_a_bug_is_told_and_the_server_goes_on(start: Start, spec: str) -> None:
    broken = "import hvaedsl.lsp.analyzed as a\ndef fail(source, **_):\n  raise KeyError('x')\na.compile_source = fail"
    client = start(before=broken)
    client.open(spec, GOOD)
    (finding,) = client.found(spec)
    assert finding["message"] == "a bug in hvaedsl, not in your spec: KeyError: 'x'"
    assert client.request("textDocument/semanticTokens/full", {"textDocument": {"uri": spec}})["data"]
