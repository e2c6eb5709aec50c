"""A newcomer writes a model of 16x16 images with the editor's help; the transcript stands in docs/experiments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hvaedsl.program import loads
from tests.lsp.client import Client
from tests.lsp.typist import Typist

PAGE = next((Path(__file__).parents[2] / "docs" / "experiments").glob("*-a-newcomer-and-the-editor.md"))
_BLOCK = re.compile(r"(?<=```text\n).*?(?=```\n)", re.DOTALL)
_SPEC = re.compile(r"(?<=```hvae\n).*?(?=```\n)", re.DOTALL)


def write_the_model(typist: Typist) -> None:
    """The session, step by step."""
    typist.reads()
    typist.takes("hvae")
    typist.types("\n\n")
    typist.takes("data")
    typist.takes("dataset")
    typist.takes("npy")
    assert "HV214" in typist.reads()
    typist.types("\n  ")
    typist.takes("channels")
    typist.types("1\n  ")
    typist.takes("resolution")
    typist.types("16")
    typist.leaves()
    typist.types("\n\nmod")
    typist.takes("model")
    typist.takes("width")
    typist.types("64\n  ")
    typist.takes("latent")
    typist.types("8\n  ")
    typist.takes("encoder")
    typist.takes("16x")
    typist.types("3, ")
    typist.takes("16d2")
    typist.types(", ")
    typist.takes("8r")
    typist.types("4, ")
    typist.takes("8d2")
    typist.types(", 4x2,\n  ")
    typist.takes("decoder")
    typist.types("4@low, 4x2@low, 8m")
    typist.takes("8m4")
    typist.types(", 8r6, 16m3")
    assert typist.reads() == ["HV101", "HV402", "HV307"]
    typist.fixes("HV101")
    typist.fixes("HV402")
    assert typist.reads() == ["HV307"]
    typist.erases(4)
    typist.takes("16m8")
    typist.types(", ")
    typist.takes("16r")
    typist.types("8")
    assert typist.reads() == []
    typist.formats()
    typist.hovers("16r8")
    typist.sees_hints()
    assert typist.reads() == []


def test_a_newcomer_ends_with_a_clean_compile(tmp_path: Path, update_goldens: bool) -> None:
    client = Client(tmp_path, snippets=True)
    try:
        typist = Typist(client, (tmp_path / "small.hvae").as_uri())
        write_the_model(typist)
        client.close()
    finally:
        client.kill()
    program = loads(typist.text)
    assert program.advice == ()
    transcript = "\n".join(typist.transcript) + "\n"
    if update_goldens:
        page = _BLOCK.sub(lambda _: transcript, PAGE.read_text(encoding="utf-8"), count=1)
        PAGE.write_text(_SPEC.sub(lambda _: typist.text, page, count=1), encoding="utf-8")
        pytest.skip("the transcript has been written")
    page = PAGE.read_text(encoding="utf-8")
    block, spec = _BLOCK.search(page), _SPEC.search(page)
    assert block is not None
    assert spec is not None
    assert block[0] == transcript
    assert spec[0] == typist.text
