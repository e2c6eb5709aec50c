"""Extract, inline and fold: the text after each, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol.types import CodeActionKind

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.fmt import format_text
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.open_documents import OpenDocuments
from hvaedsl.lsp.rewrites import rewrites
from tests.lsp.texts import GOOD, analyzed
from tests.lsp.texts_of_lists import LISTS, lists, write_base

PLAIN = """\
hvae 1
let n = 3

data {
  dataset = cifar10
}

model {
  width      = 32
  latent     = 4
  bias_up_to = 8 + 2*4
  encoder    = 32x2, 32d2, 16d2, 2*8, 8d2, 4
  decoder    = 4, 8m4, 16m8, 2*16, 16r(2*$n), 32m16
}
"""


def results(found: AnalyzedText, start: int, end: int, only: list[str] | None = None) -> dict[str, str]:
    """The text after each refactoring, by its title."""
    made = rewrites(found, start, end, only=only)
    return {rewrite.title: edited(found.text, edits) for rewrite, edits in made}


def selected(found: AnalyzedText, part: str, only: list[str] | None = None) -> dict[str, str]:
    start = found.text.index(part)
    return results(found, start, start + len(part), only)


def at_cursor(found: AnalyzedText, part: str, only: list[str] | None = None) -> dict[str, str]:
    start = found.text.index(part) + 1
    return results(found, start, start, only)


def one(made: dict[str, str], words: str) -> str:
    (title,) = (title for title in made if words in title)
    return made[title]


EXTRACT, INLINE, FOLD = (
    [kind.value]
    for kind in (CodeActionKind.RefactorExtract, CodeActionKind.RefactorInline, CodeActionKind.RefactorRewrite)
)


def test_entries_become_a_list() -> None:
    text = format_text(GOOD)
    found = analyzed(text)
    made = selected(found, "32d2, 2*16r$n", EXTRACT)
    assert list(made) == ["extract `32d2, 2*16r$n` into the list `$stage`"]
    after = one(made, "list")
    assert after == text.replace("32d2, 2*16r$n", "$stage").replace(
        "let n = 3\n", "let n     = 3\nlet stage = (32d2, 2*16r$n)\n"
    )
    assert format_text(after) == after
    assert hvaedsl.loads(after).spec == hvaedsl.loads(GOOD).spec
    assert selected(found, " 32d2, 2*16r$n, ", EXTRACT) == made  # space and commas around it do not matter
    assert selected(found, "32d2, 2*16", EXTRACT) == {}  # half an entry
    assert selected(found, "32x2, 32d2", ["quickfix"]) == {}
    assert results(found, 5, 5, EXTRACT) == {}


def test_the_body_of_a_repetition_becomes_a_list() -> None:
    text = GOOD.replace("2*(16r$n)", "2*(16r$n, 16x2)")
    made = selected(analyzed(text), "(16r$n, 16x2)", EXTRACT)
    assert "2*$stage" in one(made, "list")
    made = selected(analyzed(text), "16r$n, 16x2", EXTRACT)
    assert "2*($stage)" in one(made, "list")


def test_a_list_that_would_be_a_number_is_written_as_a_list() -> None:
    """The twins: `2*8` is two blocks in a list and the number 16 in a `let`."""
    found = analyzed(PLAIN)
    assert "let stage = (2*8x1)" in one(selected(found, "2*8", EXTRACT), "list")
    text = PLAIN.replace("2*8, 8d2", "2*8, 2*(2*8), 8d2")
    assert "let stage = (2*(2*8x1))" in one(selected(analyzed(text), "2*(2*8)", EXTRACT), "list")
    made = selected(analyzed(PLAIN.replace("2*8, 8d2, 4", "8d2, 4, 4")), "4, 4", EXTRACT)
    assert "let stage = (4, 4)" in one(made, "list")
    by_name = analyzed(PLAIN.replace("let n = 3", "let n = 3\nlet top = 8").replace("2*8, 8d2", "2*$top, 8d2"))
    assert selected(by_name, "2*$top", EXTRACT) == {}


@pytest.mark.parametrize(
    ("part", "definition", "use"),
    [
        ("= 32\n", "let width = 32", "width      = $width"),
        ("8 + 2*4", "let bias_up_to = 8 + 2*4", "bias_up_to = $bias_up_to"),
        ("2*4\n", "let bias_up_to = 2*4", "bias_up_to = 8 + $bias_up_to"),
        ("2*$n", "let count = 2*$n", "16r$count"),
        ("$n)", "", ""),
        ("3\n", "", ""),
    ],
)
def test_a_number_or_an_expression_becomes_a_constant(part: str, definition: str, use: str) -> None:
    found = analyzed(PLAIN)
    start = found.text.index(part) + 2 * part.startswith("= ")
    made = results(found, start, start + len(part.strip("= \n)")), EXTRACT)
    if not definition:
        assert made == {}
        return
    after = one(made, "constant")
    assert use in after
    assert definition in " ".join(after.split("\n")[1:4]).replace("  ", " ").replace("  ", " ").replace("  ", " ")
    assert format_text(after) == after
    assert hvaedsl.loads(after).spec == hvaedsl.loads(PLAIN).spec


def test_numbers_in_a_block_list_become_constants() -> None:
    found = analyzed(GOOD)
    start = GOOD.index("32x2") + 3
    after = one(results(found, start, start + 1, EXTRACT), "constant")
    assert "encoder = 32x$count, 32d2" in after
    start = GOOD.index("2*16r$n")
    assert "$count*16r$n" in one(results(found, start, start + 1, EXTRACT), "constant")
    made = selected(analyzed(PLAIN), "4, 8m4", EXTRACT)
    assert "decoder    = $stage, 16m8" in one(made, "list")
    start = PLAIN.index("= 4, 8m4") + 2
    made = results(analyzed(PLAIN), start, start + 1, EXTRACT)
    assert "decoder    = $resolution, 8m4" in one(made, "constant")
    assert "let stage = (4x1)" in one(made, "list")


def test_the_list_of_the_base_stays_where_it_is(tmp_path: Path) -> None:
    found = lists(tmp_path)
    assert selected(found, "$base, $stage", EXTRACT) == {}
    assert "let stage2 = ($stage, 16d4)" in one(selected(found, "$stage, 16d4", EXTRACT), "list")


def test_a_new_name_is_free_in_the_specs_that_extend_this_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    path = write_base(tmp_path)
    path.write_text(LISTS.replace("stage", "other"))
    (tmp_path / "third.hvae").write_text('hvae 1\nextends "spec.hvae"\nlet stage = 2\n')
    documents = OpenDocuments()
    documents.put(path.as_uri(), path.read_text())
    found = documents.known(path.as_uri())
    assert found is not None
    start = found.text.index("$other, 16d4")
    made = rewrites(found, start, start + len("$other, 16d4"), only=EXTRACT, chains=documents.chains(found))
    assert [rewrite.title for rewrite, _ in made] == ["extract `$other, 16d4` into the list `$stage2`"]


def test_a_name_that_another_spec_defines_again_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    path = write_base(tmp_path)
    path.write_text(LISTS)
    (tmp_path / "third.hvae").write_text('hvae 1\nextends "spec.hvae"\nlet m = 5\nlet n = 2\n')
    documents = OpenDocuments()
    documents.put(path.as_uri(), LISTS)
    found = documents.known(path.as_uri())
    assert found is not None
    at = LISTS.index("$stage, 16d4") + 1
    assert len(rewrites(found, at, at, only=INLINE, chains=documents.chains(found))) == 2
    at = LISTS.index("$m - 5") + 1
    assert rewrites(found, at, at, only=INLINE, chains=documents.chains(found)) == []
    assert len(rewrites(found, at, at, only=INLINE)) == 2


def test_a_number_becomes_its_value_never_its_text() -> None:
    text = PLAIN.replace("let n = 3", "let n = 1 + 2").replace("2*16, 16r(2*$n)", "$n*16, 16r$n, 16r(2*$n)")
    found = analyzed(text)
    after = one(at_cursor(found, "$n*16", INLINE), "replace `$n`")
    assert after == text.replace("$n*16", "3*16")
    assert "16r3, 16r(2*$n)" in one(at_cursor(found, "r$n", INLINE), "replace `$n`")
    assert "16r(2*3)" in one(at_cursor(found, "*$n)", INLINE), "replace `$n`")
    everywhere = one(at_cursor(found, " n = ", INLINE), "replace every `$n` in this file by its value `3`")
    assert "$n" not in everywhere
    assert hvaedsl.loads(everywhere).spec == hvaedsl.loads(text).spec


def test_the_twins_stay_apart() -> None:
    """`2*8` is the number 16 in a `let` without a block, and two blocks at 8 in a list."""
    twins = "let a = 2*8\nlet b = (2*8, 8)"
    text = PLAIN.replace("let n = 3", f"let n = 3\n{twins}").replace("2*8, 8d2", "$b, 8d2")
    text = text.replace("2*16,", "$a, 16x2,")
    found = analyzed(text)
    assert ", 16, 16x2," in one(at_cursor(found, "$a, 16x2", INLINE), "replace `$a` by its value `16`")
    assert "16d2, 2*8, 8, 8d2" in one(at_cursor(found, "$b, 8d2", INLINE), "replace `$b` by its entries")
    made = selected(found, "2*8\n", EXTRACT)
    assert made == {}  # the whole of a `let` has a name
    for after in (*made.values(), *at_cursor(found, "$a, 16x2").values(), *selected(found, "$a, 16x2").values()):
        assert hvaedsl.loads(after).spec == hvaedsl.loads(text).spec


def test_a_negative_number_stays_an_operand() -> None:
    text = PLAIN.replace("let n = 3", "let n = 3\nlet k = 2 - 4").replace("8 + 2*4", "8 - $k*-$k + $k*-6")
    found = analyzed(text)
    after = one(at_cursor(found, "$k*", INLINE), "every")
    assert "= 8 - (-2)*-(-2) + (-2)*-6" in after
    assert hvaedsl.loads(after).spec == hvaedsl.loads(text).spec
    wrong = analyzed(text.replace("16r(2*$n)", "16r$k"))
    assert at_cursor(wrong, "r$k", INLINE) == {}


def test_a_list_becomes_its_entries_in_parentheses_behind_a_count(tmp_path: Path) -> None:
    found = lists(tmp_path)
    after = one(at_cursor(found, "$stage, 16d4", INLINE), "replace `$stage`")
    assert "encoder = $base, 16r$n, 2*16x2, 16d4" in after
    after = one(at_cursor(found, "$both,", INLINE), "replace `$both`")
    assert "2*($stage, 16r($m - 4)@low), 32m16" in after
    every = one(at_cursor(found, "stage = ", INLINE), "replace every `$stage`")
    assert "let both  = (16r$n, 2*16x2, 16r($m - 4)@low)" in every
    assert "$stage" not in every


def test_the_list_of_the_base_becomes_its_entries(tmp_path: Path) -> None:
    write_base(tmp_path)
    (tmp_path / "base.hvae").rename(tmp_path / "root.hvae")
    middle = 'hvae 1\nextends "root.hvae"\nmodel { encoder = $base, 2*($base)  # twice\n}\n'
    (tmp_path / "middle.hvae").write_text(middle)
    found = lists(tmp_path, LISTS.replace("base.hvae", "middle.hvae"))
    after = one(at_cursor(found, "$base, $stage", INLINE), "replace `$base` by the entries of middle.hvae")
    assert "encoder = 32r2@low, 32d2, 2*(32r2@low, 32d2), $stage" in after.replace("\n            ", " ")
    assert at_cursor(found, "$base, block", INLINE) == {}


def test_equal_runs_become_uses_of_one_list() -> None:
    text = GOOD.replace("32d2, 2*16r$n", "32d2, 16x1, 16r2, 16x1, 16r2").replace("16m4, ", "16m4, 16x1, 16r2, ")
    found = analyzed(text)
    (title,) = made = at_cursor(found, "16x1", FOLD)
    assert title == "fold 3 equal runs `16x1, 16r2` into the list `$stage`"
    assert "encoder = 32x2, 32d2, $stage, $stage, 16d4, 4x1@low" in made[title]
    assert "16m4, $stage, 2*(16r$n)" in made[title]
    assert "let stage = (16x1, 16r2)" in made[title]
    assert hvaedsl.loads(made[title]).spec == hvaedsl.loads(text).spec
    assert at_cursor(found, "32x2", FOLD) == {}
    folded = analyzed(made[title].replace("$stage, $stage", "$stage, 16x1, 16r2"))
    again = at_cursor(folded, "16x1, 16r2, 16d4", FOLD)
    assert list(again) == ["fold the run `16x1, 16r2` into the list `$stage`"]
    assert list(at_cursor(folded, "16x1, 16r2)", FOLD)) == list(again)


def test_a_text_that_is_not_formatted_is_formatted_only_where_it_changes() -> None:
    text = GOOD.replace("let n = 3", "let   n=3").replace("  dataset = cifar10", "    dataset=cifar10   # here")
    after = one(selected(analyzed(text), "32d2, 2*16r$n", EXTRACT), "list")
    assert "let   n=3\nlet stage = (32d2, 2*16r$n)\n\ndata" in after
    assert "    dataset=cifar10   # here" in after
    crlf = one(selected(analyzed(text.replace("\n", "\r\n")), "32d2, 2*16r$n", EXTRACT), "list")
    assert crlf == after.replace("\n", "\r\n")


def test_comments_stay() -> None:
    text = GOOD.replace("let n = 3", "let n = 3  # depth").replace("32d2, 2*16r$n", "32d2, # why\n  2*16r$n")
    after = one(selected(analyzed(text), "32d2, # why\n  2*16r$n", EXTRACT), "list")
    assert "let n = 3  # depth" in after
    assert "# why" in after
    assert hvaedsl.loads(after).spec == hvaedsl.loads(text).spec


def test_nothing_is_rewritten_in_a_text_with_syntax_errors() -> None:
    found = analyzed(GOOD.replace("latent  = 4", "latent = "))
    assert selected(found, "32d2, 2*16r$n") == {}
    assert at_cursor(found, "$n") == {}
