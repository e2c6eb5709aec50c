"""Definition, rename, hints, symbols, colors, actions and the picture, on texts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest
from lsprotocol.types import InlayHintLabelPart, Range, SemanticTokenTypes, TextEdit, WorkspaceEdit

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.actions import FIX_ALL, Here, code_actions
from hvaedsl.lsp.analyzed import AnalyzedText, compiled
from hvaedsl.lsp.bridge_view import bridge_view
from hvaedsl.lsp.findings import published, shown
from hvaedsl.lsp.folding import folding_ranges
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.open_documents import OpenDocuments
from hvaedsl.lsp.rename import CannotRenameError, prepare_rename, rename
from hvaedsl.lsp.semantic_tokens import colored_ranges, semantic_tokens
from hvaedsl.lsp.symbols import document_symbols
from hvaedsl.program import Compilation, loads
from tests.lsp.texts import GOOD, analyzed, at_cursor


def uri(source: Source) -> str | None:
    return source.name


def text_in(found: AnalyzedText, where: Range) -> str:
    return found.text[found.lines.offset(where.start) : found.lines.offset(where.end)]


def applied(text: str, edits: list[TextEdit], found: AnalyzedText) -> str:
    for edit in sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character), reverse=True):
        start, end = found.lines.offset(edit.range.start), found.lines.offset(edit.range.end)
        text = text[:start] + edit.new_text + text[end:]
    return text


def test_definitions_inside_the_text() -> None:
    found, offset = at_cursor(GOOD.replace("2*16r$n", "2*16r$|n"))
    place = definition(found, offset, uri)
    assert place is not None
    assert (place.range.start.line, text_in(found, place.range)) == (1, "n")
    twice = GOOD.replace("2*(16r$n)", "16r$n@to|p")
    found, offset = at_cursor(twice)
    place = definition(found, offset, uri)
    assert place is not None
    assert found.lines.offset(place.range.start) == found.text.index("top")


def test_a_cursor_behind_a_name_is_at_the_name() -> None:
    for text in (GOOD.replace("2*16r$n,", "2*16r$n|,"), GOOD.replace("2*(16r$n)", "2*(16r$n|)")):
        found, offset = at_cursor(text)
        place = definition(found, offset, uri)
        assert place is not None
        assert text_in(found, place.range) == "n"


def test_definitions_in_a_base(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(GOOD)
    child = 'hvae 1\nextends "ba|se.hvae"\nmodel { latent = $n }\n'
    found, offset = at_cursor(child, tmp_path / "child.hvae")
    place = definition(found, offset, uri)
    assert place is not None
    assert (place.uri, place.range.start.line) == ("base.hvae", 0)
    for written, line in (("model { lat|ent = $n", 9), ("model { latent = |$n", 1)):
        text = child.replace("|", "").replace("model { latent = $n", written)
        found, offset = at_cursor(text, tmp_path / "child.hvae")
        place = definition(found, offset, uri)
        assert place is not None
        assert place.range.start.line == line


def renamed(text: str, new: str) -> str:
    found, offset = at_cursor(text)
    edits = [made for source, made in rename(found, offset, new) if source is found.source]
    return applied(found.text, edits[0], found)


@pytest.mark.parametrize("place", ["let |n", "2*16r$|n", "2*(16r|$n)"])
def test_a_constant_is_renamed_everywhere(place: str) -> None:
    after = renamed(GOOD.replace(place.replace("|", ""), place, 1), "$repeats")
    assert after == GOOD.replace("$n", "$repeats").replace("let n", "let repeats")
    assert loads(after).spec == loads(GOOD).spec


def test_a_label_is_renamed_in_its_stack_alone() -> None:
    text = GOOD.replace("4x1@low", "4x1@top").replace("2*(16r$n)", "16r$n@top")
    after = renamed(text.replace("4r2@top", "4r2@to|p"), "shared")
    assert after.count("@shared") == 2
    assert after.count("@top") == 1


def test_a_name_is_renamed_in_a_line_that_is_half_written() -> None:
    text = GOOD.replace("32m16, 32x2", "32m$n, 32x2, ")
    assert renamed(text.replace("let n", "let |n"), "k") == text.replace("$n", "$k").replace("let n", "let k")


@pytest.mark.parametrize("new", ["", "3n", "a b", "ä", "n-1", "let x"])
def test_what_is_no_name_is_refused(new: str) -> None:
    with pytest.raises(CannotRenameError, match="is not a valid name"):
        renamed(GOOD.replace("let n", "let |n"), new)


@pytest.mark.parametrize("word", ["hvae", "let", "extends"])
@pytest.mark.parametrize(("old", "new"), [("let n", "let |n"), ("4r2@top", "4r2@to|p")])
def test_a_reserved_word_is_refused(word: str, old: str, new: str) -> None:
    with pytest.raises(CannotRenameError, match=f"^`{word}` is a reserved word; choose another name$"):
        renamed(GOOD.replace(old, new), word)


@pytest.mark.parametrize("new", ["_n", "N2", "none", "x", "model"])
def test_other_words_are_names(new: str) -> None:
    assert renamed(GOOD.replace("let n", "let |n"), new) == GOOD.replace("$n", f"${new}").replace("let n", f"let {new}")


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(CannotRenameError, match="already exists"):
        renamed(GOOD.replace("let n = 3", "let |n = 3\nlet k = 1"), "k")


def test_a_constant_is_renamed_across_files(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(GOOD)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "child.hvae").write_text('hvae 1\nextends "../../base.hvae"\nlet n = 4\n')
    (tmp_path / "other.hvae").write_text("hvae 1\nlet n = 5\nmodel { latent = $n }\n")
    documents = OpenDocuments()
    opened = (tmp_path / "base.hvae").as_uri()
    documents.put(opened, GOOD)
    found = documents.known(opened)
    assert found is not None
    at = GOOD.index("let n") + 4
    writable = partial(documents.writable, found)
    edits = rename(found, at, "k", chains=documents.chains(found), writable=writable)
    assert sorted(source.name for source, _ in edits) == ["base.hvae", "child.hvae"]
    with pytest.raises(CannotRenameError, match=r"child\.hvae, which cannot be changed"):
        rename(found, at, "k", chains=documents.chains(found), writable=lambda _: False)


def test_only_names_can_be_renamed() -> None:
    found, offset = at_cursor(GOOD.replace("width  ", "wi|dth  "))
    assert prepare_rename(found, offset) is None
    with pytest.raises(CannotRenameError, match="only constants"):
        rename(found, offset, "x")


def hints(text: str) -> list[tuple[str, str]]:
    """Each hint with the word that it stands behind."""
    found, _ = at_cursor(text, before=analyzed(GOOD))
    made = inlay_hints(found, 0, len(found.text))
    labels = [(found.lines.offset(item.position), item.label) for item in made]
    assert not any(isinstance(label, InlayHintLabelPart) for _, label in labels)
    return [(found.text[:at].replace(",", " ").split()[-1], str(label)) for at, label in labels]


def test_hints_give_resolutions_and_depth() -> None:
    expected = [
        ("32d2", "→ 16x16"),
        ("2*16r$n", "6 blocks, 3.44 k parameters"),
        ("16d4", "→ 4x4"),
        ("4r2@top", "depth 2"),
        ("2*(16r$n)", "6 blocks, 10.9 k parameters"),
        ("2*(16r$n)", "depth 9"),
        ("32x2", "depth 12"),
    ]
    assert hints(GOOD + "|") == expected
    assert loads(GOOD).cost.stochastic_depth == 12
    assert hints(GOOD.replace("latent  = 4", "latent = |")) == expected  # of the last good text
    assert hints(GOOD.replace("32d2", "32d|")) == expected[3:]  # the encoder is not known, the decoder is as it was
    there_and_back = GOOD.replace("2*(16r$n), 32m16", "16, 4x1, 2*(4, 16m4), 32m16")
    depths = ["4r2@top depth 2", "16 depth 4", "16m4) depth 9", "32x2 depth 12"]
    assert [f"{after} {label}" for after, label in hints(there_and_back + "|") if "depth" in label] == depths


def test_symbols_are_the_outline() -> None:
    top = document_symbols(analyzed(GOOD))
    assert [item.name for item in top] == ["n", "data", "model", "train"]
    model = top[2]
    assert [item.name for item in model.children or ()] == ["width", "latent", "encoder", "decoder"]
    assert (model.children or ())[0].detail == "32"
    nested = (top[3].children or ())[0]
    assert [item.name for item in nested.children or ()] == ["free_nats"]
    assert [(item.start_line, item.end_line) for item in folding_ranges(analyzed(GOOD))] == [(3, 4), (7, 11), (14, 15)]


def test_a_bracket_that_closes_stays_in_sight() -> None:
    text = "model {\n  encoder = 32x2,\n    32d2\n  widths = {\n    16: 8\n  } }\ndata {\n  dataset = cifar10\n}\n"
    ranges = [(item.start_line, item.end_line) for item in folding_ranges(analyzed(text))]
    assert ranges == [(0, 5), (1, 2), (3, 4), (6, 7)]


def test_an_empty_section_has_a_place() -> None:
    for item in document_symbols(analyzed("hvae 1\nmodel { fourier { } }\ndata { }\n")):
        assert item.range.start <= item.selection_range.start <= item.selection_range.end <= item.range.end


def test_colors_tell_a_block_letter_by_letter() -> None:
    found = analyzed(GOOD.replace("let n = 3", "let n = 3 # 🦆 why"))
    parts = [(found.text[item.start : item.end], item.kind) for item in colored_ranges(found)]
    kinds = SemanticTokenTypes
    at = parts.index(("32", kinds.Number), parts.index(("encoder", kinds.Property)))
    assert parts[at : at + 3] == [("32", kinds.Number), ("x", kinds.Operator), ("2", kinds.Number)]
    assert ("$n", kinds.Variable) in parts
    assert ("top", kinds.Decorator) in parts
    assert ("# 🦆 why", kinds.Comment) in parts
    assert ("model", kinds.Namespace) in parts
    assert ("cifar10", kinds.EnumMember) in parts
    assert parts[0] == ("hvae", kinds.Keyword)


def test_packed_colors_unpack_to_the_same_words() -> None:
    found = analyzed("# 🦆🦆 é\r\n" + GOOD.replace("\n", "\r\n"))
    data = semantic_tokens(found).data
    line = column = 0
    read = []
    for at in range(0, len(data), 5):
        down, right, length = data[at : at + 3]
        line, column = line + down, right if down else column + right
        units = found.text.split("\r\n")[line].encode("utf-16-le")
        read.append(units[2 * column : 2 * (column + length)].decode("utf-16-le"))
    assert read == [found.text[item.start : item.end] for item in colored_ranges(found)]


def here_in(found: AnalyzedText) -> Here:
    return Here(found, lambda item: shown(found, item, uri), lambda edits: WorkspaceEdit({"file:///spec.hvae": edits}))


def acted(text: str, title: str, found: AnalyzedText | None = None, only: list[str] | None = None) -> str:
    found = found or analyzed(text)
    actions = code_actions(here_in(found), 0, len(found.text), only)
    action = next(item for item in actions if title in item.title)
    assert action.edit is not None
    assert action.edit.changes is not None
    return applied(found.text, list(action.edit.changes["file:///spec.hvae"]), found)


def test_a_fix_is_an_action() -> None:
    text = GOOD.replace("32m16, 32x2", "32m16, 32x2,")
    assert acted(text, "remove the comma") == GOOD
    assert acted(text, "safe fixes", only=[FIX_ALL]) == GOOD
    assert acted(GOOD.replace("4r2@top", "4x2@top"), "4r2@top") == GOOD


def test_suggestions_are_actions_that_no_other_action_applies() -> None:
    text = GOOD.replace("4r2@top", "4r@top")
    assert acted(text, "write `4r2`") == GOOD
    assert [item for item in code_actions(here_in(analyzed(text)), 0, len(text)) if item.is_preferred] == []
    assert code_actions(here_in(analyzed(text)), 0, len(text), [FIX_ALL]) == []


def titles_at(marked: str) -> list[str]:
    found, offset = at_cursor(marked)
    return [item.title for item in code_actions(here_in(found), offset, offset, ["quickfix"])]


def test_the_actions_of_a_line_are_offered_all_over_it_the_nearest_first() -> None:
    """A finding is underlined at one letter, and marked at the line; the cursor need not stand on the letter."""
    text = GOOD.replace("4x1@low", "4x2@low, 4x3@low")
    at_the_end = text.replace("4x3@low", "4x3|@low")
    assert titles_at(text.replace("  encoder", "|  encoder")) == ["write `4r2@low`", "write `4r3@low`"]
    assert titles_at(at_the_end) == ["write `4r3@low`", "write `4r2@low`"]
    assert titles_at(text.replace("  decoder", "|  decoder")) == []


def test_advice_is_silenced_on_its_line() -> None:
    text = GOOD.replace("= 32\n", "= 32 widths = {8: 64}\n")
    assert [item.code for item in analyzed(text).diagnostics] == ["HV502"]
    quiet = acted(text, "ignore HV502 on")
    assert quiet == text.replace("{8: 64}", "{8: 64}  # hvae: ignore[HV502]")
    assert analyzed(quiet).diagnostics == ()
    other = text.replace("{8: 64}", "{8: 64}  # hvae: ignore[HV501] later")
    assert acted(other, "ignore HV502 on") == other.replace("HV501]", "HV501, HV502]")


def test_fixes_that_overlap_are_not_applied_together() -> None:
    found = analyzed("hvae 1\nmodel { width = 3 }\n")
    span = found.source.span(7, 12)

    def fixed(replacement: str) -> Diagnostic:
        fix = Fix("write", (Edit(span, replacement),), safe=True)
        return type(found.diagnostics[0])(**{**vars(found.diagnostics[0]), "fix": fix})

    both = replace(found, compilation=Compilation(None, found.documents, (fixed("one"), fixed("two"))))
    assert acted("", "safe fixes", found=both) == found.text.replace("model", "one")


def test_a_mistake_of_a_base_is_shown_at_extends(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(GOOD.replace("16d4", "16d3"))
    found, _ = at_cursor('hvae 1\nextends "base.hvae"\n|', tmp_path / "child.hvae")
    item = next(item for item in published(found, uri) if item.code == "HV303")
    assert text_in(found, item.range) == '"base.hvae"'
    assert item.message.startswith("in base.hvae:11:")
    assert item.related_information is not None
    assert item.related_information[0].location.uri == "base.hvae"


def test_what_a_base_leaves_out_is_not_missing(tmp_path: Path) -> None:
    part = "hvae 1\nmodel { width = 8 }\n|"
    found, _ = at_cursor(part, tmp_path / "base.hvae")
    assert {item.code for item in published(found, uri)} == {item.code for item in found.diagnostics}
    (tmp_path / "child.hvae").write_text('hvae 1 extends "base.hvae"\n')
    assert published(found, uri) == []
    (tmp_path / "child.hvae").write_text('hvae 1 # extends "base.hvae"\n')
    assert published(found, uri) != []


def test_a_project_selects_its_advice(tmp_path: Path) -> None:
    text = GOOD.replace("= 32\n", "= 32 widths = {8: 64}\n") + "|"
    found, _ = at_cursor(text, tmp_path / "spec.hvae")
    assert [item.code for item in published(found, uri)] == ["HV502"]
    (tmp_path / "pyproject.toml").write_text('[tool.hvaedsl]\nignore = ["HV502"]\n')
    assert published(found, uri) == []
    (tmp_path / "pyproject.toml").write_text('[tool.hvaedsl]\nignores = ["HV502"]\n')
    advice, problem = published(found, uri)
    assert advice.code == "HV502"
    assert problem.message.startswith("showing all advice: ")
    assert "has no key `ignores`" in problem.message
    clean, _ = at_cursor(GOOD + "|", tmp_path / "spec.hvae")
    assert [item.message for item in published(clean, uri)] == [problem.message]


def test_the_picture_is_of_the_last_text_without_errors() -> None:
    view = bridge_view(analyzed(GOOD))
    assert view["svg"] is not None
    assert "<svg" in view["svg"]
    assert (view["current"], view["message"]) == (True, "")
    broken, _ = at_cursor(GOOD.replace("16d4", "16d|"), before=analyzed(GOOD))
    old = bridge_view(broken)
    assert (old["svg"], old["current"]) == (view["svg"], False)
    assert old["message"].startswith("showing the last version without errors; ")
    none = bridge_view(analyzed(GOOD.replace("32x2, 32d2", "32q2, 32d2")))
    assert (none["name"], none["svg"]) == ("spec", None)
    said = "one error in spec.hvae, line 11: unknown encoder operator `q`"
    assert none["message"] == f"no picture yet: {said}"


def test_texts_without_a_file_and_with_odd_names(tmp_path: Path) -> None:
    documents = OpenDocuments()
    documents.put("untitled:Untitled-1", GOOD)
    found = documents.known("untitled:Untitled-1")
    assert found is not None
    assert compiled(found).program is not None
    odd = tmp_path / "größe #1 100%.hvae"
    odd.write_text(GOOD)
    opened = odd.as_uri()
    documents.put(opened, GOOD.replace("16d4", "16d3"))
    found = documents.known(opened)
    assert found is not None
    assert "HV303" in {item.code for item in compiled(found).diagnostics}
    assert documents.uri_of(found.source) == opened
    assert unquote(opened).endswith("größe #1 100%.hvae")
    assert documents.known((tmp_path / "missing.hvae").as_uri()) is None


def test_a_file_that_is_open_twice_stays_open_once_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text("hvae 1\n")
    (tmp_path / "link").symlink_to(tmp_path)
    one, other = (tmp_path / "base.hvae").as_uri(), (tmp_path / "link" / "base.hvae").as_uri()
    child = (tmp_path / "child.hvae").as_uri()
    documents = OpenDocuments()
    documents.put(one, GOOD)
    documents.put(other, GOOD)
    documents.put(child, 'hvae 1\nextends "base.hvae"\n')
    assert documents.close(other) == [one, child]
    found = documents.known(child)
    assert found is not None
    assert compiled(found).program is not None


@pytest.mark.parametrize(("uri", "name"), [
    ("file:///specs/small;v2.hvae", "small;v2.hvae"), ("file:///specs/gr%C3%B6%C3%9Fe%20%231.hvae", "größe #1.hvae"),
    ("untitled:Untitled-1", "Untitled-1"), ("untitled:", "<untitled>"), ("git:/specs/x.hvae?ref=main", "x.hvae"),
])  # fmt: skip
def test_a_text_is_called_as_its_uri_says(uri: str, name: str) -> None:
    documents = OpenDocuments()
    documents.put(uri, GOOD)
    found = documents.known(uri)
    assert found is not None
    assert found.source.name == name


def test_a_text_that_is_too_large_is_a_diagnostic() -> None:
    found = analyzed("#" * (1 << 21))
    assert [item.code for item in published(found, uri)] == ["HV108"]
