"""What the documents of a chain assign, by dotted key; the nearest document wins. Keys are held against the schema."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hvaedsl.diagnostics.diagnostic import (
    Diagnostic,
    Edit,
    Fix,
    Label,
    did_you_mean,
    inserting,
    listing,
    nearest,
    taking_out,
)
from hvaedsl.diagnostics.names import (
    ConstantNotWhole,
    DuplicateKey,
    UnknownKey,
    UnknownOption,
    UnknownOverride,
    UnknownSection,
)
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.diagnostics.syntax import MisplacedStatement, MissingVersion, NothingThere, UnsupportedVersion
from hvaedsl.elaborate.words import describe
from hvaedsl.ir.kinds import Optional, Text
from hvaedsl.ir.spec import SECTIONS, keys
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_value

SCHEMA = {name: keys(section) for name, section in SECTIONS.items()}
TOP_LEVEL = tuple(name for name in SCHEMA if "." not in name)
NOT_INHERITED = "paper"


@dataclass
class Collected:
    """The assignments of a chain."""

    values: dict[str, ast.Value] = field(default_factory=dict)
    lets: dict[str, int] = field(default_factory=dict)
    statements: dict[str, Span] = field(default_factory=dict)  # where each value's whole `key = value` stands
    sections: dict[str, Span] = field(default_factory=dict)  # where each section was last written
    broken: set[str] = field(default_factory=set)  # keys that a mistake explains: never called missing
    diagnostics: list[Diagnostic] = field(default_factory=list)


def collect(
    documents: tuple[ast.Document, ...], sets: Mapping[str, Source], lets: Mapping[str, Source], *, complete: bool
) -> Collected:
    """Merge documents, base first, then `--set` and `--let`.

    Where the documents are not complete, a constant that none of them defines may stand in what could not be read.
    """
    collected = Collected()
    for index, document in enumerate(documents):
        _Reader(collected, own=index == len(documents) - 1).document(document)
    for name, source in lets.items():
        if complete or name in collected.lets:
            _override_let(collected, name, source)
    for key, source in sets.items():
        _override_key(collected, key, source)
    return collected


@dataclass
class _Reader:
    """Reads one document into what has been collected."""

    into: Collected
    own: bool  # the spec itself, not one of its bases
    seen: dict[str, Span] = field(default_factory=dict)
    astray: bool = False  # the statement before was a key outside of every section
    late_version: bool = False  # `hvae` is not the first statement, which has been said

    def document(self, document: ast.Document) -> None:
        self.into.broken |= document.broken | {f"{key}.*" for key in document.broken if key in SCHEMA}
        self._version(document)
        for position, statement in enumerate(document.statements):
            if not isinstance(statement, ast.Assignment):
                self.astray = False
            match statement:
                case ast.Version() if position and not self.late_version:
                    self._misplaced(statement, "hvae", "it is not the first statement", "one `hvae 1` begins the file")
                case ast.Extends():
                    if self._once("extends", "statement", statement.span, statement.span) and position > 1:
                        hint = "put it right behind `hvae 1`"
                        self._misplaced(statement, "extends", "other statements come before it", hint)
                case ast.Let():
                    if self._once(f"let {statement.name.text}", "constant", statement.name.span, statement.span):
                        _let(self.into, statement.name.text, statement.value)
                case ast.Assignment():
                    self._stray_key(statement)
                case ast.Section():
                    self._section(statement, _names(document.statements))

    def _version(self, document: ast.Document) -> None:
        first = document.statements[0] if document.statements else None
        if isinstance(first, ast.Version):
            if first.number.value != 1:
                self._say(UnsupportedVersion(span=first.number.span, number=first.number.value))
        elif first is None and not document.broken:
            self._say(NothingThere(span=document.source.span(0, 0)))
            self.into.broken.add("")  # which explains every key that is missing
        elif "" not in document.broken:
            start = first.span.start if first else 0
            span = first.span if isinstance(first, ast.Extends | ast.Let) else document.source.span(start, start)
            late = next((item for item in document.statements if isinstance(item, ast.Version)), None)
            self.late_version = late is not None
            if late is not None:
                self._say(MissingVersion(span=span, secondary=(Label(late.span, "comes too late"),)))
            else:  # there is one version, so that nothing else can be meant
                edit = inserting(document.source, start, "hvae 1\n")
                self._say(MissingVersion(span=span, fix=Fix("begin with `hvae 1`", (edit,), safe=True)))

    def _section(self, section: ast.Section, beside: Sequence[str]) -> None:
        name = section.name.text
        if name not in TOP_LEVEL:
            near = did_you_mean(name, TOP_LEVEL)
            hint = near or f"the sections are {listing(TOP_LEVEL, 'and')}"
            self._say(
                UnknownSection(
                    span=section.name.span,
                    name=name,
                    what="section",
                    reason="no such section",
                    hint=hint,
                    fix=_renaming(section.name, TOP_LEVEL, beside),
                )
            )
            self.into.broken |= {f"{known}.*" for known in TOP_LEVEL if not near or f"`{known}`" in near}
            return
        self._body(name, section)

    def _body(self, path: str, section: ast.Section) -> None:
        """Read what stands in a section; of a repeated one too, so that nothing is called missing."""
        self._once(path, "section", section.name.span)
        self.into.sections[path] = section.name.span
        beside = _names(section.statements)
        for statement in section.statements:
            self._in_section(path, statement, beside)

    def _in_section(self, section: str, statement: ast.Statement, beside: Sequence[str]) -> None:
        match statement:
            case ast.Assignment():
                key = f"{section}.{statement.key.text}"
                if statement.key.text not in SCHEMA[section]:
                    known = tuple(SCHEMA[section])
                    kind = UnknownKey(
                        span=statement.key.span,
                        key=statement.key.text,
                        section=section,
                        known=known,
                        fix=_renaming(statement.key, known, beside),
                    )
                    self._say(kind)
                    near = did_you_mean(statement.key.text, known)
                    self.into.broken |= {f"{section}.{name}" for name in known if f"`{name}`" in near}
                elif self._once(key, "key", statement.key.span, statement.span) and (
                    self.own or section != NOT_INHERITED
                ):
                    self.into.values[key] = statement.value
                    self.into.statements[key] = statement.span
            case ast.Section() if f"{section}.{statement.name.text}" in SCHEMA:
                self._body(f"{section}.{statement.name.text}", statement)
            case ast.Section() if {f"{section}.*", f"{section}.{statement.name.text}"} & self.into.broken:
                pass  # the section is not closed, or this is none: said already
            case ast.Section():
                name = statement.name.text
                reason = "a section of its own" if name in TOP_LEVEL else "no such section here"
                hint = f"`{section}` is not closed before it: put a `}}` there" if name in TOP_LEVEL else "take it out"
                self._say(
                    UnknownSection(
                        span=statement.name.span, name=name, what=f"section in `{section}`", reason=reason, hint=hint
                    )
                )
                self.into.broken.add(f"{name}.*")
            case _:
                word = {ast.Version: "hvae", ast.Extends: "extends", ast.Let: "let"}[type(statement)]
                self._misplaced(statement, word, f"inside `{section}`", "move it out of the section")
                if isinstance(statement, ast.Let):
                    _let(self.into, statement.name.text, statement.value)

    def _stray_key(self, statement: ast.Assignment) -> None:
        """Of several in a row the first is reported: one brace too many puts them all outside."""
        key = statement.key.text
        homes = [section for section, known in SCHEMA.items() if key in known]
        self.into.broken |= {f"{home}.{key}" for home in homes} | ({f"{key}.*"} if key in TOP_LEVEL else set())
        if self.astray:
            return
        self.astray = True
        hint = f"it belongs into `{homes[0]} {{ ... }}`" if homes else did_you_mean(key, TOP_LEVEL)
        if key in TOP_LEVEL:
            hint = f"a section has no `=`: write `{key} {{ ... }}`"
        reason = "outside of every section"
        self._say(UnknownSection(span=statement.key.span, name=key, what="top-level key", reason=reason, hint=hint))

    def _once(self, name: str, what: str, span: Span, whole: Span | None = None) -> bool:
        """Whether a name is written for the first time; `whole` is what is taken out where it is not."""
        first = self.seen.setdefault(name, span)
        if first is span:
            return True
        label = Label(first, "first written here")
        fix = None
        if whole is not None and "#" not in whole.text:  # a comment inside is not to be lost
            fix = Fix("keep the first", (taking_out(whole),))
        self._say(DuplicateKey(span=span, name=name.split(".")[-1], what=what, secondary=(label,), fix=fix))
        return False

    def _misplaced(self, statement: ast.Statement, word: str, reason: str, hint: str) -> None:
        self._say(MisplacedStatement(span=statement.span, statement=word, reason=reason, hint=hint))

    def _say(self, diagnostic: Diagnostic) -> None:
        self.into.diagnostics.append(diagnostic)


def _names(statements: Sequence[ast.Statement]) -> list[str]:
    """The names of the keys and sections among statements."""
    keys = [item.key.text for item in statements if isinstance(item, ast.Assignment)]
    return keys + [item.name.text for item in statements if isinstance(item, ast.Section)]


def _renaming(name: ast.Name, known: Collection[str], beside: Sequence[str]) -> Fix | None:
    """Write the nearest known name, where that stands nowhere beside it and nothing else is as near."""
    near = nearest(name.text, known)
    if near is None or sum(nearest(other, known) == near for other in beside) > 1:
        return None
    return Fix(f"write `{near}`", (Edit(name.span, near),))


def _let(into: Collected, name: str, value: ast.Value) -> None:
    if isinstance(value, ast.Integer):
        into.lets[name] = value.value
        return
    into.lets.setdefault(name, 1)  # so that its uses are not called undefined
    if not isinstance(value, ast.Invalid):
        into.diagnostics.append(ConstantNotWhole(span=value.span, name=name, found=describe(value)))


def _override_let(into: Collected, name: str, source: Source) -> None:
    if name not in into.lets:
        span = source.span(0, len(source.text))
        into.diagnostics.append(UnknownOverride(span=span, name=name, known=tuple(into.lets)))
        return
    value, found = parse_value(source)
    into.diagnostics.extend(found)
    if value is not None:
        _let(into, name, value)


def _override_key(into: Collected, key: str, source: Source) -> None:
    known = tuple(dotted_keys())
    if key not in known:
        into.diagnostics.append(UnknownOption(span=source.span(0, len(source.text)), key=key, known=known))
        return
    value, found = _override_value(key, source)
    into.diagnostics.extend(found)
    into.broken.discard(key)
    into.statements.pop(key, None)
    if value is None:
        into.broken.add(key)
        into.values.pop(key, None)
    else:
        into.values[key] = value


def _override_value(key: str, source: Source) -> tuple[ast.Value | None, tuple[Diagnostic, ...]]:
    """The value of an override. Of a key that takes a string the quotes may be left out: a shell takes them off."""
    section, _, name = key.rpartition(".")
    kind = SCHEMA[section][name].kind
    text = source.text.strip()
    if isinstance(kind, Optional) and isinstance(kind.of, Text) and not text.startswith('"') and text != "none":
        return ast.String(text, source.span(0, len(source.text))), ()
    return parse_value(source)


def dotted_keys() -> Iterator[str]:
    """Every key of the schema with its section."""
    return (f"{section}.{name}" for section, known in SCHEMA.items() for name in known)
