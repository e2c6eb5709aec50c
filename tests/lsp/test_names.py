"""All places of a name: definition, references, highlights, rename and workspace symbols, over files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from lsprotocol.types import DocumentHighlightKind, PositionEncodingKind, SymbolKind

from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.open_documents import OpenDocuments
from hvaedsl.lsp.references import highlights, locations, name_places
from hvaedsl.lsp.rename import CannotRenameError, prepare_rename, rename
from hvaedsl.lsp.workspace_symbols import workspace_symbols
from hvaedsl.shipped import shipped
from tests.lsp.texts_of_lists import BASE, LISTS, at, write_base


def uri(source: Source) -> str | None:
    return source.name


class Project:
    """Files, of which one is open."""

    def __init__(self, folder: Path, **files: str) -> None:
        (folder / "pyproject.toml").touch()
        for name, text in {"base": BASE, "spec": LISTS, **files}.items():
            (folder / f"{name}.hvae").write_text(text)
        self.folder = folder
        self.documents = OpenDocuments()

    def open(self, name: str, text: str | None = None) -> AnalyzedText:
        path = self.folder / f"{name}.hvae"
        self.documents.put(path.as_uri(), path.read_text() if text is None else text)
        found = self.documents.known(path.as_uri())
        assert found is not None
        return found

    def renamed(self, found: AnalyzedText, place: str, new: str) -> list[str]:
        """The files that a rename changes, each with the number of its edits."""
        chains, writable = self.documents.chains(found), partial(self.documents.writable, found)
        edits = rename(found, found.text.index(place) + 1, new, chains=chains, writable=writable)
        return sorted(f"{source.name} {len(made)}" for source, made in edits)


@pytest.mark.parametrize(
    ("old", "new", "file", "line"),
    [
        ("$base, $stage", "$ba|se, $stage", "base.hvae", 11),
        ("$base, block", "$ba|se, block", "base.hvae", 13),
        ("$base, $stage", "$base, $sta|ge", "spec.hvae", 3),
        ("16r($m", "16r($|m", "spec.hvae", 2),
        ("16r$n", "16r$|n", "base.hvae", 2),
        ("4r2@low", "4r2@lo|w", "spec.hvae", 8),
        ("$m - 4)@low", "$m - 4)@l|ow", "spec.hvae", 4),
    ],
)
def test_names_lead_to_their_definition(tmp_path: Path, old: str, new: str, file: str, line: int) -> None:
    place = definition(*at(tmp_path, old, new), uri)
    assert place is not None
    assert (place.uri, place.range.start.line) == (file, line)


def test_a_definition_that_is_half_written_is_found(tmp_path: Path) -> None:
    place = definition(*at(tmp_path, "let m     = 2*$n + 1", "let m = 2*$|m"), uri)
    assert place is not None
    assert place.range.start.line == 2


def test_references_are_in_every_file_that_shares_the_constant(tmp_path: Path) -> None:
    project = Project(tmp_path, other="hvae 1\nlet n = 8\n", third='hvae 1\nextends "spec.hvae"\nlet k = $n*2\n')
    found = project.open("spec")
    offset = found.text.index("$n")
    chains = project.documents.chains(found)
    places = locations(found, name_places(found, offset, chains=chains), uri)
    assert [(item.uri, item.range.start.line) for item in places] == [
        ("spec.hvae", 2), ("spec.hvae", 3), ("base.hvae", 2), ("third.hvae", 2),
    ]  # fmt: skip
    uses = locations(found, name_places(found, offset, chains=chains, definitions=False), uri)
    assert [item.uri for item in uses] == ["spec.hvae", "spec.hvae", "third.hvae"]
    assert name_places(found, found.text.index("$base")) == []


def test_equal_files_with_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    project = Project(
        tmp_path, **dict.fromkeys(("one/child", "two/child"), 'hvae 1\nextends "../base.hvae"\nlet n = 4\n')
    )
    found = project.open("base")
    assert project.renamed(found, "n = 3", "k") == ["base.hvae 1", "child.hvae 1", "child.hvae 1", "spec.hvae 2"]


def test_highlights_tell_writing_from_reading(tmp_path: Path) -> None:
    found, offset = at(tmp_path, "$base, $stage", "$base, $sta|ge")
    kinds = [item.kind for item in highlights(found, offset)]
    assert kinds == [DocumentHighlightKind.Write, DocumentHighlightKind.Read, DocumentHighlightKind.Read]


def test_a_label_belongs_to_the_lists_of_its_stack(tmp_path: Path) -> None:
    """`$both` is in the decoder, the base's list in the encoder."""
    project = Project(tmp_path)
    found = project.open("spec")
    assert project.renamed(found, "@low\n  decoder", "deep") == ["base.hvae 1", "spec.hvae 1"]
    assert project.renamed(found, "@low)", "deep") == ["spec.hvae 1"]
    joined = project.open("spec", LISTS.replace("$base, $stage", "$base, $both"))
    assert project.renamed(joined, "@low\n  decoder", "deep") == ["base.hvae 1", "spec.hvae 2"]
    taken = project.open("spec", LISTS.replace("2*4x2", "4x1@deep"))
    with pytest.raises(CannotRenameError, match="`@deep` already exists"):
        project.renamed(taken, "@low\n  decoder", "deep")


def test_a_label_may_be_taken_in_another_spec_that_uses_its_list(tmp_path: Path) -> None:
    """The list of the base has the label; one spec uses the label beside it, the other one another label."""
    child = 'hvae 1\nextends "labels.hvae"\nmodel { decoder = $x, 8r2@LABEL }\n'
    project = Project(
        tmp_path,
        labels="hvae 1\nlet x = (8x1@low)\n",
        one=child.replace("LABEL", "low"),
        two=child.replace("LABEL", "deep"),
        three=child.replace("$x, 8r2@LABEL", "8x1@wide"),
    )
    found = project.open("one")
    with pytest.raises(CannotRenameError, match=r"`@deep` already exists in two\.hvae; choose another name"):
        project.renamed(found, "@low", "deep")
    assert project.renamed(found, "@low", "wide") == ["labels.hvae 1", "one.hvae 1"]


def test_base_is_no_name(tmp_path: Path) -> None:
    found, offset = at(tmp_path, "$base, $stage", "$ba|se, $stage")
    assert prepare_rename(found, offset) is None
    with pytest.raises(CannotRenameError, match="`\\$base` is the list of the base; it has no name"):
        rename(found, offset, "x")
    with pytest.raises(CannotRenameError, match="`\\$base` is the list of the base; choose another name"):
        rename(found, found.text.index("let m") + 4, "$base")
    wrong, offset = at(tmp_path, "let m     = 2*$n + 1", "let ba|se = 2")  # an error, and this is its way out
    assert prepare_rename(wrong, offset) is not None
    assert rename(wrong, offset, "fresh")


def test_a_name_may_be_taken_in_a_file_that_does_not_have_the_old_one(tmp_path: Path) -> None:
    project = Project(tmp_path, third='hvae 1\nextends "spec.hvae"\nlet k = 2\n', other="hvae 1\nlet q = 1\n")
    found = project.open("spec")
    with pytest.raises(CannotRenameError, match=r"`\$k` already exists in third\.hvae"):
        project.renamed(found, "stage", "k")
    assert project.renamed(found, "stage", "q") == ["spec.hvae 3"]


def test_shipped_specs_are_not_changed_from_another_spec(tmp_path: Path) -> None:
    documents = OpenDocuments()
    path = shipped("specs") / "vdvae.hvae"
    documents.put(path.as_uri(), path.read_text())
    (tmp_path / "mine.hvae").write_text('hvae 1\nextends "vdvae.hvae"\n')
    mine, theirs = documents.known((tmp_path / "mine.hvae").as_uri()), documents.known(path.as_uri())
    assert mine is not None
    assert theirs is not None
    assert not documents.writable(mine, theirs.source)
    assert documents.writable(theirs, theirs.source)


def test_symbols_of_the_project(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.open("spec", LISTS.replace("let both", "let all_of_it"))

    def symbols(query: str) -> list[tuple[str, SymbolKind, str | None]]:
        sources = project.documents.project_sources([tmp_path])
        found = workspace_symbols(sources, query, PositionEncodingKind.Utf16)
        return [(item.name, item.kind, item.container_name) for item in found]

    assert symbols("aoI") == [("all_of_it", SymbolKind.Array, "spec.hvae")]
    assert symbols("n") == [("n", SymbolKind.Constant, "base.hvae")]
    assert symbols("base") == [("base", SymbolKind.File, None)]
    assert len(symbols("")) == 6
    write_base(tmp_path)
