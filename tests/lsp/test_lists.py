"""Arithmetic, named lists and the base's list: completion, hover, hints, colors and symbols."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol.types import CompletionItem, MarkupContent, MarkupKind, SemanticTokenTypes, SymbolKind, TextEdit

from hvaedsl.diagnostics.constants import ConstantCycle, ListForNumber, MisplacedBase, NoBase, NumberForList
from hvaedsl.diagnostics.names import UnknownConstant
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.semantic_tokens import LIST, MODIFIERS, colored_ranges, semantic_tokens
from hvaedsl.lsp.symbols import document_symbols
from tests.lsp.texts import GOOD, analyzed, at_cursor
from tests.lsp.texts_of_lists import BASE, LISTS, at, lists


def offered(folder: Path, old: str, new: str) -> dict[str, str]:
    """What is offered for names, with its detail."""
    found, offset = at(folder, old, new)
    return {item.label: item.detail or "" for item in complete(found, offset) if item.label.startswith("$")}


def test_names_say_their_value_and_where_they_come_from(tmp_path: Path) -> None:
    assert offered(tmp_path, "$base, $stage", "$|, $stage") == {
        "$base": "32r2@low, 32d2, from base.hvae",
        "$stage": "16r3, 2*16x2",
        "$both": "16r3, 2*16x2, 16r3@low",
        "$n": "3, from base.hvae",
        "$m": "7 = 2*$n + 1",
    }


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("$stage, 16d4", "$stage, 16r$|, 16d4", "$n $m"),  # behind an operator letter
        ("$m - 4", "|", "$n $m"),  # in its parenthesis
        ("$m - 4", "$m - $|", "$n $m"),
        ("$m - 4", "$m*(2 + |", "$n $m"),
        ("24*($m - 5)", "|", "$n $m"),
        ("24*($m - 5)", "24*|", "$n $m"),
        ("24*($m - 5)", "24 - $|", "$n $m"),
        ("24*($m - 5)", "24/(2 + |)", "$n $m"),
        ("2*$n + 1", "|", "$n"),  # it is used as a number
        ("2*$n + 1", "$n + $|", "$n"),
        ("2*16x2)", "$|", "$n $m"),
        ("($stage, 16r($m - 4)@low)", "(16x2, |", "$stage $n $m"),
        ("let stage", "let fresh = |\nlet stage", "$stage $both $n $m"),
        ("let stage", "let n = |\nlet stage", ""),  # a number in the base; all others use it
        ("let stage", "let n = |\nlet k = 1\nlet stage", "$k"),
        ("$base, block", "|", "$base"),
        ("$base, block", "block, $|", "$base"),
        ("$base, $stage", "$base, 2*$|, $stage", "$base $stage $both $n $m"),
        ("width   =", "widths = {16: $|} width =", "$n $m"),
        ("width   =", "widths = {|} width =", ""),
        ("width   =", "widths = {$|: 8} width =", ""),
        ("width   =", "cell = $| width =", ""),
        ("width   =", "cell = {16: $|} width =", ""),
        ("width   =", "latent = {16: $|, other: 4} width =", "$n $m"),
        ("width   =", "likelihood = mixture_of_logistics($|) width =", "$n $m"),
        ("width   =", "bottleneck = 1/| width =", "$n $m"),
        ("width   =", "bias_up_to = | width =", "$n $m"),
    ],
)  # fmt: skip
def test_names_are_those_that_belong_there(tmp_path: Path, old: str, new: str, names: str) -> None:
    assert " ".join(name.removesuffix("*") for name in offered(tmp_path, old, new)) == names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("$stage, 16d4", "$stage, $|, 16d4"),
        ("2*$both", "2*$|"),
        ("2*$both", "2*16r$|"),
        ("$m - 4", "$|"),
        ("2*$n + 1", "$|"),
        ("2*$n + 1", "2*$|"),
        ("2*$n + 1", "2*$n - $|"),
        ("$stage, 16r($m", "$|, 16r($m"),
        ("24*($m - 5)", "$|"),
        ("24*($m - 5)", "9 + $|"),
        ("$base, block", "$|, block"),
    ],
)
def test_what_is_offered_is_of_the_right_kind(tmp_path: Path, old: str, new: str) -> None:
    """No name that is offered is a list for a number, a number for a list, a cycle, or a misplaced `$base`."""
    found, offset = at(tmp_path, old, new)
    names = [item.label for item in complete(found, offset)]
    assert names
    for name in names:
        text = f"{found.text[: offset - 1]}{name}{found.text[offset:]}"
        taken = lists(tmp_path, text)
        wrong = ConstantCycle, ListForNumber, MisplacedBase, NoBase, NumberForList, UnknownConstant
        assert not [item for item in taken.diagnostics if isinstance(item, wrong)], (name, text)


def test_labels_of_the_lists_in_a_stack_are_offered(tmp_path: Path) -> None:
    found, offset = at(tmp_path, "32x2, 32r3", "32x2, 32r3, 16x1@|")
    assert [item.label for item in complete(found, offset)] == ["low"]
    found, offset = at(tmp_path, "$stage, 16d4", "$stage, 16r2@|, 16d4")
    assert [item.label for item in complete(found, offset)] == ["low"]  # at 4x4, of the encoder itself
    found, offset = at(tmp_path, "2*16x2)", "2*16x2, 16r2@|)")
    assert [item.label for item in complete(found, offset)] == ["low"]


def test_a_definition_that_is_half_written_has_a_name(tmp_path: Path) -> None:
    text = LISTS.replace("let both  = ($stage, 16r($m - 4)@low)", "let both = ($stage, 16r(").replace("2*$both", "2*$|")
    found = lists(tmp_path, text.replace("|", ""))
    details = {item.label: item.detail for item in complete(found, text.index("|"))}
    assert (details["$both"], details["$stage"]) == ("?", "16r3, 2*16x2")


def test_base_is_offered_only_if_a_base_has_the_key(tmp_path: Path) -> None:
    assert "$base" not in offered(tmp_path, "fourier { at = $base, block }", "normalize_state { over = $| }")
    found, offset = at_cursor(GOOD.replace("32x2, 32d2", "$|, 32d2"))
    assert "$base" not in {item.label for item in complete(found, offset)}


def inserted(item: CompletionItem) -> str:
    assert isinstance(item.text_edit, TextEdit)
    return item.text_edit.new_text


def test_a_dollar_is_literal_in_a_snippet(tmp_path: Path) -> None:
    found, offset = at(tmp_path, "$base, $stage", "$|, $stage")
    taken = [inserted(item) for item in complete(found, offset, CompletionClient(snippets=True))]
    assert taken[:2] == ["\\$base", "\\$stage"]


def test_entries_go_on_behind_lists(tmp_path: Path) -> None:
    found, offset = at(tmp_path, "$stage, 16d4", "$stage, |")
    assert complete(found, offset)[0].label == "16x"
    found, offset = at(tmp_path, "$base, $stage, 16d4, 2*4x2, 4r2@low", "$base, |")
    assert complete(found, offset)[0].label == "16x"
    found, offset = at(tmp_path, "2*16x2)", "2*16x2, |")
    assert [item.label for item in complete(found, offset)][:4] == ["16x", "16r", "16", "16d2"]


def told(folder: Path, old: str, new: str, kind: MarkupKind = MarkupKind.Markdown) -> str:
    found, offset = at(folder, old, new, lists(folder))
    said = hover(found, offset, kind)
    if said is None:
        return ""
    assert isinstance(said.contents, MarkupContent)
    return said.contents.value


@pytest.mark.parametrize("old", ["let n = 3", "let n =", ""])
def test_what_has_no_value_is_shown_as_it_is_written(tmp_path: Path, old: str) -> None:
    """No count is made up for a constant that is undefined or half written, and no block for a list."""
    known = old == "let n = 3"
    text = LISTS.replace('"base.hvae"', '"other.hvae"').replace("decoder = ", "decoder = $base, ")
    (tmp_path / "other.hvae").write_text(BASE.replace("let n = 3", old).replace("32m16", "32m16, 32x$n"))

    stage = shown(tmp_path, text, "$stage, 16d4")
    assert stage.startswith("`$stage` = `(16r$n, 2*16x2)`, a list defined in line 4")
    assert "one residual block" not in stage
    for said in (stage, shown(tmp_path, text, "$both, 32m16")):
        assert ("16r3, 2*16x2" in said, "16r1" in said) == (known, False)
    assert shown(tmp_path, text, "m     =").startswith(f"`$m` = `2*$n + 1` = {'7' if known else '?'}, ")
    base = shown(tmp_path, text, "$base, 4x1")
    assert ("32x3" in base, "32x$n" in base, "32x1" in base) == (known, not known, False)

    offered = complete(lists(tmp_path, text), text.index("$stage, 16d4") + 1)
    details = {item.label: item.detail for item in offered}
    assert details["$stage"] == ("16r3, 2*16x2" if known else "(16r$n, 2*16x2)")


def test_the_first_of_duplicate_lists_counts(tmp_path: Path) -> None:
    twice = "encoder = 32x2, 32d2, 16d4, 4x1\n  encoder = $base, $stage"
    first = shown(tmp_path, LISTS.replace("encoder = $base, $stage", twice), "32x2, 32d2")
    assert "2 residual blocks at 32x32" in first
    for place in ("$base, $stage", "$stage, 16d4", "16d4, 2*4x2"):
        again = shown(tmp_path, LISTS.replace("encoder = $base, $stage", twice), place, last=True)
        assert "a count is 0" not in again
        assert "0 blocks" not in again
    lets = LISTS.replace("let both", "let stage = (16x9)\nlet both")
    assert "In the encoder: 7 blocks" in shown(tmp_path, lets, "stage = (16r$n")


def shown(folder: Path, text: str, place: str, *, last: bool = False) -> str:
    """The hover at the first or last place of a text."""
    offset = (text.rindex(place) if last else text.index(place)) + 1
    said = hover(lists(folder, text), offset)
    if said is None:
        return ""
    assert isinstance(said.contents, MarkupContent)
    return said.contents.value


def test_a_list_says_its_entries_and_what_it_adds_to_the_stack(tmp_path: Path) -> None:
    model = lists(tmp_path).program
    assert model is not None
    text = told(tmp_path, "$base, $stage", "$base, $sta|ge")
    assert text.splitlines()[:5] == [
        "`$stage` = `(16r$n, 2*16x2)`, a list defined in line 4",
        "",
        "```hvae",
        "16r3, 2*16x2",
        "```",
    ]
    assert text.splitlines()[-1].startswith("In the encoder: 7 blocks, weights r16_0 to r16_4 (5 sets): ")
    decoder = told(tmp_path, "2*$both", "2*$bo|th").splitlines()[-1]
    assert decoder.startswith(f"In the decoder: 20 blocks, 20 of {model.cost.stochastic_depth} latents, weights ")
    both = told(tmp_path, "let stage", "let st|age")
    assert "In the encoder: 7 blocks" in both
    assert "In the decoder: 14 blocks" in both


def test_an_entry_of_a_list_says_what_it_is_in_each_stack(tmp_path: Path) -> None:
    text = told(tmp_path, "(16r$n", "(16|r$n")
    assert "In the encoder, `16r$n`: one residual block applied 3 times at 16x16" in text
    assert "In the decoder, `16r$n`: 2 top-down blocks at 16x16, each applied 3 times" in text
    assert "`$n` = 3, a number defined in base.hvae, line 3" in text
    unused = told(tmp_path, "2*$both", "16|r$n")
    assert "`$n` = 3" in unused


def test_the_list_of_the_base_says_where_it_is(tmp_path: Path) -> None:
    text = told(tmp_path, "$base, $stage", "$b|ase, $stage")
    assert text.startswith(
        "`$base`: the value of `model.encoder` in base.hvae, line 12\n\n```hvae\n32r2@low, 32d2\n```"
    )
    assert "In the encoder: 3 blocks" in text
    assert "sample" in told(tmp_path, "$base, block", "$ba|se, block")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("2*$n + 1", "2*$n |+ 1", "`2*$n + 1` = 7"),
        ("2*$n + 1", "2*$n + |1", "`2*$n + 1` = 7"),
        ("24*($m - 5)", "24*($m |- 5)", "`$m - 5` = 2"),
        ("24*($m - 5)", "24*|($m - 5)", "`($m - 5)` = 2"),
        ("24*($m - 5)", "2|4*($m - 5)", "`24*($m - 5)` = 48"),
        ("24*($m - 5)", "|-$m + 9", "`-$m` = -7"),
        ("$m - 4", "$m |- 4", "`$m - 4` = 3"),
        ("2*$both", "2|*$both", "2 copies of `$both`, each with its own weights"),
        ("let m", "let |m", "`$m` = `2*$n + 1` = 7, a number defined in line 3"),
        ("2*$n + 1", "2*$n |+ none", ""),
    ],
)
def test_an_expression_says_its_value(tmp_path: Path, old: str, new: str, text: str) -> None:
    assert told(tmp_path, old, new) == text


def test_a_long_list_is_shortened(tmp_path: Path) -> None:
    doubled = "".join(f"let l{at} = ($l{at - 1}, $l{at - 1})\n" for at in range(1, 12))
    text = told(tmp_path, "let stage", f"let l0 = (16x1, 16r2)\n{doubled}let l|ast = ($l11)\nlet stage")
    lines = text.partition("```hvae\n")[2].splitlines()
    assert (len(lines[:-1]), lines[-2:]) == (10, ["…", "```"])
    many = "".join(f"let l{at} = (2*($l{at - 1}), $l{at - 1})\n" for at in range(1, 40))
    told(tmp_path, "let stage", f"let l0 = (16x1, 16r2)\n{many}let l|ast = ($l39)\nlet stage")


def test_plain_text_has_no_marks(tmp_path: Path) -> None:
    text = told(tmp_path, "$base, $stage", "$base, $sta|ge", MarkupKind.PlainText)
    assert text.startswith("$stage = (16r$n, 2*16x2), a list defined in line 4\n\n16r3, 2*16x2\n\nIn the encoder")
    key = told(tmp_path, "width  ", "wi|dth  ", MarkupKind.PlainText)
    assert key.startswith("model.width: an integer of at least 1")
    cell = told(tmp_path, "width  ", "cell = vd|vae width", MarkupKind.PlainText)
    assert "`" not in cell
    assert "x' = " in cell


def test_hints_count_lists_and_give_values(tmp_path: Path) -> None:
    found = lists(tmp_path)
    made = [
        (found.text[: found.lines.offset(item.position)].replace(",", " ").split()[-1], str(item.label))
        for item in inlay_hints(found, 0, len(found.text))
    ]
    assert made[:5] == [("1", "= 7"), ("2*16x2)", "7 blocks"), ("4", "= 3"), ("4)@low)", "10 blocks"), ("5)", "= 48")]
    rest = dict(made[5:])
    assert rest["$base"] == "→ 16x16"  # the list of the base ends with a pooling
    assert rest["$stage"].startswith("7 blocks, ")
    assert rest["2*$both"] == "depth 22"
    assert ("$base", "3 blocks, 12.3 k parameters") in made


def test_colors_of_lists_and_operators(tmp_path: Path) -> None:
    found = lists(tmp_path)
    colored = list(colored_ranges(found))
    parts = [(found.text[item.start : item.end], item.kind, item.modifiers) for item in colored]
    kinds = SemanticTokenTypes
    assert ("$base", kinds.Macro, ()) in parts
    assert ("$stage", kinds.Variable, (LIST,)) in parts
    assert ("$n", kinds.Variable, ()) in parts
    assert ("stage", kinds.Variable, ("definition", LIST)) in parts
    assert ("m", kinds.Variable, ("definition",)) in parts
    assert {text for text, kind, _ in parts if kind is kinds.Operator} >= {"*", "+", "-", "@", "r", "d"}
    assert set(semantic_tokens(found).data[4::5]) == {
        0,
        1 << MODIFIERS.index("definition"),
        1 << MODIFIERS.index(LIST),
        3,
    }
    begun = lists(tmp_path, "hvae 1\nlet half = (16x2, \n")
    assert any(item.modifiers == ("definition", LIST) for item in colored_ranges(begun))


def test_symbols_tell_lists_from_numbers(tmp_path: Path) -> None:
    kinds = {item.name: item.kind for item in document_symbols(lists(tmp_path))}
    assert (kinds["m"], kinds["stage"], kinds["both"]) == (SymbolKind.Constant, SymbolKind.Array, SymbolKind.Array)
    assert document_symbols(analyzed(GOOD))[0].kind == SymbolKind.Constant
