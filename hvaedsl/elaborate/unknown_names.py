"""The diagnostics of keys and sections that are not known, or not in their place, with the edits that correct them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hvaedsl.diagnostics.additions import at_end_of_file, in_section
from hvaedsl.diagnostics.diagnostic import Fix, insertion, nearest, removal, writing
from hvaedsl.diagnostics.names import UnknownKey, UnknownSection
from hvaedsl.elaborate.published_keys import PUBLISHED_KEYS, PublishedKey
from hvaedsl.elaborate.schema import SCHEMA, TOP_LEVEL
from hvaedsl.syntax import ast

_NO_KEY = PublishedKey("")


def unknown_key(statement: ast.Assignment, section: str, beside: Sequence[str], document: ast.Document) -> UnknownKey:
    """The diagnostic of a key that its section does not have; `beside` are the names in that section."""
    name, known = statement.key, tuple(SCHEMA[section])
    if name.text in PUBLISHED_KEYS:
        published = PUBLISHED_KEYS[name.text]
        fix, suggestions = _published(statement, section, published, document)
        return UnknownKey(
            span=name.span,
            key=name.text,
            section=section,
            known=known,
            published=published.key,
            written=published.written,
            fix=fix,
            suggestions=suggestions,
        )

    fix, suggestions = _renaming(name, known, beside)
    return UnknownKey(
        span=name.span,
        key=name.text,
        section=section,
        known=known,
        near=nearest(name.text, _free(known, beside)) or "",
        fix=fix,
        suggestions=suggestions,
    )


def key_that_is_meant(name: str, section: str) -> str:
    """The dotted key that an unknown name in a section probably means; empty if none is similar."""
    if name in PUBLISHED_KEYS:
        return PUBLISHED_KEYS[name].key
    near = nearest(name, SCHEMA[section])
    return f"{section}.{near}" if near is not None else ""


def stray_key(statement: ast.Assignment, document: ast.Document) -> UnknownSection:
    """The diagnostic of a key outside of every section."""
    name = statement.key.text
    published, near, home = PUBLISHED_KEYS.get(name, _NO_KEY), "", ""
    is_there = False
    ways: _Ways = None, ()
    if name in TOP_LEVEL:
        pass
    elif published.key:
        ways = _published(statement, "", published, document)
    else:
        homes = {key: section for section in reversed(SCHEMA) for key in SCHEMA[section]}
        written = [key for key, section in homes.items() if key in _names_in(document, section)]
        is_there = name in written
        near = name if is_there else nearest(name, _free(homes, written)) or ""
        home = homes.get(near, "")
        if is_there and "#" not in statement.span.text:
            ways = Fix("remove it", (removal(statement.span),)), ()
        elif home:
            ways = _moving(statement, f"{home}.{near}", document), ()
    return UnknownSection(
        span=statement.key.span,
        name=name,
        written_as="key",
        top_level=TOP_LEVEL,
        home=home,
        near=near,
        is_there=is_there,
        published=published.key,
        written=published.written,
        fix=ways[0],
        suggestions=ways[1],
    )


def unknown_section(name: ast.Name, beside: Sequence[str]) -> UnknownSection:
    """The diagnostic of a section at the top level that does not exist; `beside` are the names at the top level."""
    fix, suggestions = _renaming(name, TOP_LEVEL, beside)
    near = nearest(name.text, _free(TOP_LEVEL, beside)) or ""
    return UnknownSection(
        span=name.span,
        name=name.text,
        written_as="section",
        top_level=TOP_LEVEL,
        near=near,
        fix=fix,
        suggestions=suggestions,
    )


def unknown_inner_section(
    section: ast.Section, inside: str, outermost: ast.Section, beside: Sequence[str]
) -> UnknownSection:
    """The diagnostic of a section inside another one; `beside` are the names at the top level."""
    name, fix = section.name, None
    if name.text not in TOP_LEVEL and "#" not in section.span.text:
        fix = Fix("remove it", (removal(section.span),))
    elif name.text in TOP_LEVEL and name.text not in beside:
        moved = insertion(name.span.source, outermost.span.end, f"\n{section.span.text}")
        fix = Fix(f"move it out of `{inside.partition('.')[0]}`", (removal(section.span), moved))
    return UnknownSection(
        span=name.span, name=name.text, written_as="section", inside=inside, top_level=TOP_LEVEL, fix=fix
    )


def names(statements: Sequence[ast.Statement]) -> list[str]:
    """The names of the keys and sections among statements."""
    keys = [item.key.text for item in statements if isinstance(item, ast.Assignment)]
    return keys + [item.name.text for item in statements if isinstance(item, ast.Section)]


_Ways = tuple[Fix | None, tuple[Fix, ...]]


def _renaming(name: ast.Name, known: Collection[str], beside: Sequence[str]) -> _Ways:
    """Write the most similar name that is not beside it: a fix, or a suggestion if another one is as similar to it."""
    near = nearest(name.text, _free(known, beside))
    if near is None:
        return None, ()
    fix = writing(name.span, near)
    return (fix, ()) if sum(nearest(other, known) == near for other in beside) == 1 else (None, (fix,))


def _free(known: Collection[str], beside: Sequence[str]) -> list[str]:
    return [name for name in known if name not in beside]


def _published(statement: ast.Assignment, section: str, published: PublishedKey, document: ast.Document) -> _Ways:
    """Write the key for a name of the published code: a fix, or a suggestion if its value has another form here."""
    way = _moving(statement, published.key, document, published.written, section)
    if way is None:
        return None, ()
    return (None, (way,)) if published.written else (way, ())


def _moving(
    statement: ast.Assignment, dotted: str, document: ast.Document, written: str = "", inside: str = ""
) -> Fix | None:
    """Write a statement as the key `dotted`, in its section; None if that has the key, or a comment would be lost."""
    section, _, key = dotted.rpartition(".")
    value = statement.span.text[statement.key.span.end - statement.span.start :]
    text = written or f"{key}{value}"
    target = _section(document.statements, section)
    if (written and "#" in statement.span.text) or (target is not None and key in names(target.statements)):
        return None

    if section == inside:
        name = statement.key
        return writing(statement.span, written) if written else writing(name.span, key)
    if target is not None:
        added = in_section(target.name.span, text)
    else:
        for part in reversed(section.split(".")):
            text = f"{part} {{ {text} }}"
        added = at_end_of_file(statement.span.source, text)
    if added is None:
        return None
    title = f"move it into `{section}`" if key == statement.key.text else f"write `{written or key}` in `{section}`"
    return Fix(title, (added, removal(statement.span)))


def _names_in(document: ast.Document, section: str) -> list[str]:
    """The names of the keys and sections in a section of a document."""
    found = _section(document.statements, section)
    return names(found.statements) if found is not None else []


def _section(statements: Sequence[ast.Statement], path: str) -> ast.Section | None:
    """The section at a dotted path; None if the statements have none."""
    first, _, rest = path.partition(".")
    found = next((item for item in statements if isinstance(item, ast.Section) and item.name.text == first), None)
    return found if found is None or not rest else _section(found.statements, rest)
