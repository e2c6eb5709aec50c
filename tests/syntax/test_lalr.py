"""The lexer and the parser, against Lark's own on the same grammar, and the table that they are made of."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark import Lark
from lark import Token as LarkToken
from lark import Tree as LarkTree
from lark.exceptions import UnexpectedToken

from hvaedsl.shipped import shipped
from hvaedsl.syntax import grammar
from hvaedsl.syntax.compiled_grammar import compiled
from hvaedsl.syntax.lalr import CompiledGrammar, NotAccepted, Token, Tree

ROOT = Path(__file__).parents[2]
PATH = shipped("grammars") / grammar.GRAMMAR
WORDS = (
    *("hvae 1", 'extends "a.hvae"', "let n =", "key =", "section {", "}", "{", "(", ")", "[", "]", ",", ":", "@g"),
    *("=", "*", "8x1", "32r(", "8d2", "$n", "16", "2.5e3", "250k", '"text"', "word", "word(", "kind =", "-", "+", "/"),
    *("3 epochs", "a.b", "#x\n", "%", '"open', "é", "8X1", "\ufeff", "\r"),
)
VALUES = ("8x1", "2*(8x1, 4d2)@g", "[1, 2]", "{1: 2, a: 3}", "f(1, b = 2)", "-$n*2")


@pytest.fixture(scope="module")
def lark() -> Lark:
    return Lark.open(str(PATH), parser="lalr", lexer="basic", start=list(grammar.STARTS), propagate_positions=True)


@pytest.fixture(scope="module")
def ours() -> CompiledGrammar:
    return CompiledGrammar(json.loads(json.dumps(compiled(PATH, grammar.STARTS))))


def _texts() -> Iterator[str]:
    specs = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "specs").rglob("*.hvae"))]
    yield from specs[::4]
    draw = random.Random(0)
    for spec in specs[:6]:
        for _ in range(5):
            start = draw.randrange(len(spec))
            yield spec[:start] + draw.choice(WORDS) + spec[start + draw.randrange(4) :]
    for _ in range(120):
        yield " ".join(draw.choices(WORDS, k=draw.randrange(12)))
    for _ in range(120):  # values, most of them accepted
        yield f"a = {', '.join(draw.choices(VALUES, k=3))}"


def _plain(node: object) -> object:
    if isinstance(node, Tree):
        return node.data, node.start_pos, node.end_pos, [_plain(item) for item in node.children]
    if isinstance(node, LarkTree):
        place = (-1, -1) if node.meta.empty else (node.meta.start_pos, node.meta.end_pos)
        return str(node.data), *place, [_plain(item) for item in node.children]
    assert isinstance(node, Token | LarkToken)
    return node.type, node.start_pos, node.end_pos, str(node)


def test_tokens_trees_and_accepted_tokens_are_those_of_lark(lark: Lark, ours: CompiledGrammar) -> None:
    accepted = refused = 0
    for text in _texts():
        theirs, tokens = list(lark.lex(text)), list(ours.lex(text))
        assert [_plain(token) for token in tokens] == [_plain(token) for token in theirs], text
        for start in grammar.STARTS:
            parser = ours.parser(start)
            reference: Any = lark.parse_interactive(start=start)  # has no annotations
            tree: object = None
            for token, twin in zip(tokens, theirs, strict=True):
                assert parser.accepts() == reference.accepts(), text
                kept, before = parser.copy(), repr(parser._values)
                if token.type not in reference.accepts():
                    with pytest.raises(NotAccepted):
                        parser.feed(token)
                    refused += 1
                    break
                parser.feed(token)
                reference.feed_token(twin)
                assert repr(kept._values) == before, text  # a copy stays as it is
            else:
                end = Token("$END", "", len(text), len(text))
                try:
                    tree = reference.feed_eof()
                except UnexpectedToken:
                    assert "$END" not in parser.accepts()
                    assert ours.parse(start, [*tokens, end]) is None
                    continue
                assert _plain(ours.parse(start, [*tokens, end])) == _plain(tree), text
                accepted += 1
    assert accepted > 100
    assert refused > 100


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A safe folder for tables; every call of `_read` reads or compiles anew."""
    monkeypatch.setattr(grammar, "user_cache", lambda: tmp_path / "cache")
    yield tmp_path / "cache"
    grammar.hvae_parser.cache_clear()


def _read(monkeypatch: pytest.MonkeyPatch) -> tuple[CompiledGrammar, int]:
    """The grammar, and how often it was compiled for it."""
    from hvaedsl.syntax import compiled_grammar

    count = 0

    def counted(path: Path, starts: tuple[str, ...]) -> object:
        nonlocal count
        count += 1
        return compiled(path, starts)

    grammar.hvae_parser.cache_clear()
    monkeypatch.setattr(compiled_grammar, "compiled", counted)
    return grammar.hvae_parser(), count


def _table(folder: Path) -> Path:
    (table,) = folder.glob("grammar-*.json")
    return table


def test_the_grammar_is_compiled_once_and_read_from_data_afterwards(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _read(monkeypatch)[1] == 1
    again, compilations = _read(monkeypatch)
    assert compilations == 0
    assert [token.type for token in again.lex("hvae 1")] == ["HVAE", "INTEGER"]
    digest, _, text = _table(folder).read_text().partition("\n")
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(text).keys() >= {"terminals", "rules", "actions"}


@pytest.mark.parametrize("damage", ["half", "empty", "word", "mark", "list", "object", "bytes"])
def test_a_damaged_table_is_built_anew(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    _read(monkeypatch)
    table = _table(folder)
    whole = table.read_bytes()
    damaged = {
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "word": whole.replace(b"HVAE", b"LET", 1),
        "mark": whole.replace(b":", b";", 1),
        "list": f"{hashlib.sha256(b'[]').hexdigest()}\n[]".encode(),
        "object": f"{hashlib.sha256(b'{}').hexdigest()}\n{{}}".encode(),
        "bytes": b"\xff" + whole,
    }
    table.write_bytes(damaged[damage])
    assert _read(monkeypatch)[1] == 1
    assert _read(monkeypatch)[1] == 0
    assert table.read_bytes() != damaged[damage]


def test_another_version_of_hvaedsl_python_or_lark_uses_nothing_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _read(monkeypatch)
    old = _table(folder)
    lark = tmp_path / "__init__.py"
    lark.write_text('__version__ = "1.9.9"')
    other = type("Spec", (), {"origin": str(lark)})()
    changes: list[tuple[object, str, object]] = [
        (grammar, "__version__", "9.9.9"),
        (sys, "version", "3.99.0"),
        (grammar, "find_spec", {"lark": other}.get),
    ]
    for owner, name, value in changes:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            old.write_text("{}")  # whatever it is, it is not read
            assert _read(patch)[1] == 1
            assert _read(patch)[1] == 0
    assert old.read_text() == "{}"
    assert len(list(folder.glob("grammar-*.json"))) == 4


def test_tables_of_other_versions_do_not_pile_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(grammar.MAX_TABLES + 3):
        with monkeypatch.context() as patch:
            patch.setattr(grammar, "__version__", f"0.0.{number}")
            _read(patch)
    assert len(list(folder.glob("grammar-*.json"))) == grammar.MAX_TABLES


@pytest.mark.skipif(sys.platform == "win32", reason="no mode bits")
@pytest.mark.parametrize("shared", ["folder", "table", "parent", "link"])
def test_a_table_that_others_can_write_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: str
) -> None:
    _read(monkeypatch)
    table = _table(folder)
    if shared == "link":
        table.rename(tmp_path / "elsewhere.json")
        table.symlink_to(tmp_path / "elsewhere.json")
    else:
        {"folder": folder, "table": table, "parent": tmp_path}[shared].chmod(0o777)
    assert _read(monkeypatch)[1] == 1
    assert _read(monkeypatch)[1] == 1
    assert grammar.private_cache() is None


def test_a_full_disk_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert _read(monkeypatch)[1] == 1
    assert list(folder.iterdir()) == []
