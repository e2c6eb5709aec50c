"""Collect the assignments of a chain of documents by dotted key; the last document wins. Keys must be in the schema."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from hvaedsl.diagnostics.diagnostic import (
    Diagnostic,
    Edit,
    Fix,
    Label,
    insertion,
    removal,
)
from hvaedsl.diagnostics.names import (
    DuplicateKey,
    UnknownOption,
    UnknownOverride,
)
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.diagnostics.syntax import (
    MisplacedStatement,
    MissingVersion,
    NoStatements,
    UnexpectedToken,
    UnsupportedVersion,
)
from hvaedsl.elaborate.constants import Constants
from hvaedsl.elaborate.definitions import Definition, evaluate
from hvaedsl.elaborate.overrides import options_of_section, second_key
from hvaedsl.elaborate.published_keys import FOREIGN_KEYS, PublishedKey
from hvaedsl.elaborate.schema import SCHEMA, TOP_LEVEL
from hvaedsl.elaborate.unknown_names import (
    Names,
    Sections,
    key_that_is_meant,
    stray_key,
    unknown_inner_section,
    unknown_key,
    unknown_section,
)
from hvaedsl.ir.kinds import Optional, Text
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_value
from hvaedsl.syntax.references import references

NOT_INHERITED = "paper"
_BEFORE_CODE = re.compile(r"\ufeff?(?:\s|#[^\r\n]*)*")
_KEYWORDS: dict[type[ast.Statement], Literal["hvae", "extends", "let"]] = {
    ast.Version: "hvae",
    ast.Extends: "extends",
    ast.Let: "let",
}


@dataclass
class Collected:
    """The assignments of a chain."""

    values: dict[str, ast.Value] = field(default_factory=dict)
    bases: dict[str, tuple[ast.Value, ...]] = field(default_factory=dict)  # what each replaces, nearest first
    lets: dict[str, list[Definition]] = field(default_factory=dict)  # that of the root base first
    lost_lets: set[str] = field(default_factory=set)  # constants whose definition could not be parsed
    constants: Constants = field(default_factory=lambda: Constants({}))
    cut_at: dict[int, int] = field(default_factory=dict)  # by the id of a source, where a brace or a token is wrong
    statements: dict[str, Span] = field(default_factory=dict)  # the whole `key = value` of each value
    sections: dict[str, Span] = field(default_factory=dict)  # the last name of each section
    broken: set[str] = field(default_factory=set)  # keys lost to a reported mistake: never reported as missing
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def assign(self, key: str, value: ast.Value) -> None:
        """Give a key a value; that of a base is kept for `$base`."""
        if key in self.values:
            self.bases[key] = (self.values[key], *self.bases.get(key, ()))
        self.values[key] = value

    def forget(self, key: str) -> None:
        """Remove the value of a key and those of its bases."""
        self.values.pop(key, None)
        self.bases.pop(key, None)


def collect(
    documents: tuple[ast.Document, ...], sets: Mapping[str, Source], lets: Mapping[str, Source], *, complete: bool
) -> Collected:
    """Merge documents, base first, then `--let` and `--set`, and evaluate the constants.

    If the documents are not complete, an undefined constant may be in the part that could not be read, and `--let`
    does not report it.
    """
    collected = Collected()
    for index, document in enumerate(documents):
        _Reader(collected, document, index, own=index == len(documents) - 1).collect()
    for name, source in lets.items():
        if complete or name in collected.lets or name in collected.lost_lets:
            _override_let(collected, name, source, depth=len(documents))
    for key, source in sets.items():
        _override_key(collected, key, source)

    def count_uses() -> Counter[str]:
        overrides = [collected.values[key] for key in sets if key in collected.values]
        overrides += [collected.lets[name][-1].value for name in lets if name in collected.lets]
        return Counter(item.name for node in (*documents, *overrides) for item in references(node))

    collected.constants, found = evaluate(
        collected.lets, collected.lost_lets, some_lost=not complete or "" in collected.broken, count_uses=count_uses
    )
    collected.diagnostics += found
    return collected


@dataclass
class _Reader:
    """Adds one document to the collected assignments."""

    into: Collected
    read: ast.Document
    depth: int  # of the document in the chain
    own: bool  # the spec itself, not one of its bases
    seen: dict[str, Span] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # keys that a reported mistake in a name is meant to set
    repeated: bool = False  # inside a duplicate section, which explains the duplicate keys in it
    outermost: ast.Section = field(init=False)  # the section at the top level that is being read
    moved_from: tuple[str, str] = ("", "")  # the section of the last unknown key, and the one that has this key
    late_version: bool = False  # `hvae` is not the first statement, and this has been reported

    @cached_property
    def sections(self) -> Sections:
        """The sections of the document."""
        return Sections(self.read)

    def collect(self) -> None:
        document = self.read
        self.into.broken |= document.broken | {f"{key}.*" for key in document.broken if key in SCHEMA}
        if document.unreliable_from is not None:
            self.into.cut_at[id(document.source)] = document.unreliable_from
        self.into.lost_lets |= {key.removeprefix("let ") for key in document.broken if key.startswith("let ")}
        self._version(document)

        beside = Names(document.statements, TOP_LEVEL)
        for position, statement in enumerate(document.statements):
            match statement:
                case ast.Version() if position and not self.late_version:
                    self._misplaced(statement, "hvae")
                case ast.Extends():
                    if self._once("extends", "statement", statement.span, statement.span) and position > 1:
                        self._misplaced(statement, "extends")
                case ast.Let():
                    if self._once(f"let {statement.name.text}", "constant", statement.name.span, statement.span):
                        self._let(statement)
                case ast.Assignment():
                    self._stray_key(statement)
                case ast.Section():
                    self._section(statement, beside)

        self._forget(document.broken | self.lost)

    def _forget(self, lost: Collection[str]) -> None:
        """Remove the inherited values of keys that a reported mistake may set, so that nothing is checked against them.

        `lost` are dotted keys, `SECTION.*` for all keys of a section, and "" for any key. Keys that this document sets
        keep their value.
        """
        for key in [key for key in self.into.values if key not in self.seen]:
            if not {"", key, f"{key.rpartition('.')[0]}.*"}.isdisjoint(lost):
                self.into.forget(key)

    def _version(self, document: ast.Document) -> None:
        first = document.statements[0] if document.statements else None
        if isinstance(first, ast.Version):
            if first.number.value != 1:
                number = first.number.span
                one = Fix("write `hvae 1`", (Edit(number, "1"),))
                self._report(UnsupportedVersion(span=number, number=first.number.value, suggestions=(one,)))
        elif first is None and not document.broken:
            self._report(NoStatements(span=document.source.span(0, 0)))
            self.into.broken.add("")  # explains every missing key
        elif "" not in document.broken:
            start = _BEFORE_CODE.match(document.source.text).end()  # type: ignore[union-attr]  # matches any text
            span = first.span if isinstance(first, (ast.Extends, ast.Let)) else document.source.span(start, start)
            late = next((item for item in document.statements if isinstance(item, ast.Version)), None)
            self.late_version = late is not None
            if late is not None:
                fix = None
                if "#" not in late.span.text:
                    edits = insertion(document.source, start, f"hvae {late.number.value}\n"), removal(late.span)
                    fix = Fix("move it to the start", edits, safe=True)
                label = Label(late.span, "too late")
                self._report(MissingVersion(span=span, is_late=True, secondary=(label,), fix=fix))
            else:  # safe, since the language has only one version
                edit = insertion(document.source, start, "hvae 1\n")
                self._report(MissingVersion(span=span, fix=Fix("start with `hvae 1`", (edit,), safe=True)))

    def _section(self, section: ast.Section, beside: Names) -> None:
        name = section.name.text
        if name not in TOP_LEVEL:
            self._report(unknown_section(section.name, beside))
            # The keys of the section that was probably meant, or of every section, are not missing.
            near = beside.nearest[name]
            self.into.broken |= {f"{known}.*" for known in TOP_LEVEL if near in (None, known)}
            self.lost |= {f"{known}.*" for known in SCHEMA if known.split(".")[0] == near}
            return

        self.outermost = section
        self._body(name, section)

    def _body(self, path: str, section: ast.Section) -> None:
        """Read the statements of a section; of a repeated one too, so that its keys are not reported as missing."""
        inside_repeated = self.repeated
        self.repeated = not self._once(path, "section", section.name.span) or inside_repeated
        self.into.sections[path] = section.name.span
        beside = Names(section.statements, SCHEMA[path])
        for statement in section.statements:
            self._in_section(path, statement, beside)
        self.repeated = inside_repeated

    def _in_section(self, section: str, statement: ast.Statement, beside: Names) -> None:
        match statement:
            case ast.Assignment():
                key = f"{section}.{statement.key.text}"
                if statement.key.text not in SCHEMA[section]:
                    self._unknown_key(section, statement, beside)
                elif self._once(key, "key", statement.key.span, statement.span) and (
                    self.own or section != NOT_INHERITED
                ):
                    self.into.assign(key, statement.value)
                    self.into.statements[key] = statement.span

            case ast.Section() if f"{section}.{statement.name.text}" in SCHEMA:
                self._body(f"{section}.{statement.name.text}", statement)
            case ast.Section() if {f"{section}.*", f"{section}.{statement.name.text}"} & self.into.broken:
                pass  # the outer section is not closed, or this is not a section; both are reported elsewhere
            case ast.Section() if self._is_moved(statement.name):
                pass
            case ast.Section():
                self._report(unknown_inner_section(statement, section, self.outermost, self.sections))
                self.into.broken.add(f"{statement.name.text}.*")

            case _:
                word = _KEYWORDS[type(statement)]
                self._misplaced(statement, word, section)
                if isinstance(statement, ast.Let):
                    self._let(statement)

    def _let(self, statement: ast.Let) -> None:
        name = statement.name
        self.into.lost_lets.discard(name.text)
        found = self.into.lets.setdefault(name.text, [])
        found.append(Definition(name.text, statement.value, name.span, self.depth))

    def _unknown_key(self, section: str, statement: ast.Assignment, beside: Names) -> None:
        """Report a key that the section does not have; the key that was probably meant is not missing."""
        home = self._other_home(statement.key.text, section)
        if self._is_moved(statement.key) or (home and self.moved_from == (section, home)):
            self._lose_key(f"{home}.{statement.key.text}")
            return
        self.moved_from = section, home
        self._report(unknown_key(statement, section, beside, self.sections))
        if home:
            self._lose_key(f"{home}.{statement.key.text}")
        if meant := key_that_is_meant(statement.key.text, section, beside):
            self._lose_key(meant)

    def _stray_key(self, statement: ast.Assignment) -> None:
        """Report a key outside of every section, unless a brace that closes its section too early is reported."""
        key = statement.key.text
        self.into.lost_lets |= {name for name in (key, key.removeprefix("let")) if name not in self.into.lets}
        if self._is_moved(statement.key):
            return
        finding = stray_key(statement, self.sections)
        homes = [f"{section}.{key}" for section, known in SCHEMA.items() if key in known]
        homes += [dotted for dotted in (finding.published, f"{finding.home}.{finding.near}") if dotted in dotted_keys()]
        self.into.broken |= {*homes} | ({f"{key}.*"} if key in TOP_LEVEL else set())
        self.lost |= {*homes}
        if not any(start <= statement.span.start < end for start, end in self.read.outside):
            self._report(finding)

    def _other_home(self, key: str, section: str) -> str:
        """The only other section that has a key; empty if there is none."""
        homes = [other for other, known in SCHEMA.items() if key in known and other != section]
        return homes[0] if len(homes) == 1 else ""

    def _lose_key(self, dotted: str) -> None:
        """Remember that a reported mistake may set a key."""
        self.into.broken.add(dotted)
        self.lost.add(dotted)

    def _is_moved(self, name: ast.Name) -> bool:
        """Whether a reported mistake in the syntax has moved a known key or section out of its section."""
        start, moved = self.read.unreliable_from, name.text
        if start is None or name.span.start < start:
            return False
        homes = {f"{section}.{moved}" for section, known in SCHEMA.items() if moved in known}
        homes |= {f"{section}.*" for section in SCHEMA if section.rpartition(".")[2] == moved}
        self.into.broken |= homes
        self.lost |= homes
        return bool(homes)

    def _once(self, name: str, what: str, span: Span, whole: Span | None = None) -> bool:
        """Whether a name occurs for the first time. If not, it is reported, with a fix that removes `whole`."""
        first = self.seen.setdefault(name, span)
        if first is span:
            return True
        if self.repeated:
            return False

        label = Label(first, "first written here")
        fix = None
        if whole is not None and "#" not in whole.text:  # a comment inside must not be lost
            fix = Fix("keep the first", (removal(whole),))
        self._report(DuplicateKey(span=span, name=name.split(".")[-1], what=what, secondary=(label,), fix=fix))
        return False

    def _misplaced(self, statement: ast.Statement, word: Literal["hvae", "extends", "let"], section: str = "") -> None:
        self._report(MisplacedStatement(span=statement.span, statement=word, section=section))

    def _report(self, diagnostic: Diagnostic) -> None:
        self.into.diagnostics.append(diagnostic)


def _override_let(into: Collected, name: str, source: Source, *, depth: int) -> None:
    span = source.span(0, len(source.text))
    if name not in into.lets and name not in into.lost_lets:
        known = tuple(dict.fromkeys((*into.lets, *into.lost_lets)))
        into.diagnostics.append(UnknownOverride(span=span, name=name, known=known))
        return
    value, found = _parse_override("--let", name, source)
    into.diagnostics.extend(found)
    if value is None:
        into.lost_lets.add(name)
    else:
        into.lost_lets.discard(name)
        into.lets.setdefault(name, []).append(Definition(name, value, span, depth))


def _parse_override(flag: str, key: str, source: Source) -> tuple[ast.Value | None, tuple[Diagnostic, ...]]:
    """The value of an override. One that ends too early has lost its names to the shell."""
    if (second := second_key(flag, key, source)) is not None:
        return None, (second,)
    value, found = parse_value(source)
    return value, tuple(map(_with_shell, found))


def _with_shell(item: Diagnostic) -> Diagnostic:
    if not isinstance(item, UnexpectedToken) or not item.ends_early:
        return item
    return replace(item, hint="in double quotes the shell replaces `$name`: use single quotes")


def _override_key(into: Collected, key: str, source: Source) -> None:
    known = tuple(dotted_keys())
    if key not in known:
        foreign = FOREIGN_KEYS.get(key.rpartition(".")[2], PublishedKey(""))
        into.diagnostics.append(
            UnknownOption(
                span=source.span(0, len(source.text)),
                key=key,
                known=known,
                published=foreign.key,
                is_common=foreign.is_common,
                options=options_of_section(key, source.text),
            )
        )
        return

    value, found = _override_value(key, source)
    into.diagnostics.extend(found)
    into.broken.discard(key)
    into.statements.pop(key, None)
    if value is None:
        into.broken.add(key)
        into.forget(key)
    else:
        into.assign(key, value)


def _override_value(key: str, source: Source) -> tuple[ast.Value | None, tuple[Diagnostic, ...]]:
    """The value of an override. A string needs no quotes here, since a shell removes them."""
    section, _, name = key.rpartition(".")
    kind = SCHEMA[section][name].kind
    text = source.text.strip()
    if isinstance(kind, Optional) and isinstance(kind.of, Text) and not text.startswith('"') and text != "none":
        return ast.String(text, source.span(0, len(source.text))), ()
    return _parse_override("--set", key, source)


def dotted_keys() -> Iterator[str]:
    """Every key of the schema with its section."""
    return (f"{section}.{name}" for section, known in SCHEMA.items() for name in known)
