"""Each grammar is usable alone, and has no conflict."""

from __future__ import annotations

import pytest
from lark import Lark

from hvaedsl.shipped import shipped


def test_block_lists_alone() -> None:
    parser = Lark.open(str(shipped("grammars") / "blocks.lark"), start="block_list", parser="lalr")
    tree = parser.parse("32r12, 32d2, 2*(16x1, 8r$n@g)  # a comment")
    assert [node.data for node in tree.children if not isinstance(node, str)] == ["block", "block", "arithmetic"]


def test_whole_specs_alone() -> None:
    parser = Lark.open(str(shipped("grammars") / "hvae.lark"), start="start", parser="lalr")
    assert parser.parse("hvae 1 model { width = 3 }").data == "start"


@pytest.mark.parametrize(("name", "starts"), [("blocks.lark", ["block_list"]), ("hvae.lark", ["start", "value"])])
def test_no_conflicts(name: str, starts: list[str]) -> None:
    """Without `strict`, Lark resolves shift/reduce conflicts, and tokens that overlap, without a word."""
    Lark.open(str(shipped("grammars") / name), start=starts, parser="lalr", lexer="basic", strict=True)
