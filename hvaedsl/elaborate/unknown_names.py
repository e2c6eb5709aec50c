"""The diagnostics of keys and sections that are not known, or not in their place, with the edits that correct them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from hvaedsl.diagnostics.additions import at_end_of_file, in_section
from hvaedsl.diagnostics.diagnostic import Fix, insertion, nearest, removal, writing
from hvaedsl.diagnostics.names import UnknownKey, UnknownSection
from hvaedsl.elaborate.published_keys import FOREIGN_KEYS, PublishedKey
from hvaedsl.elaborate.schema import SCHEMA, TOP_LEVEL
from hvaedsl.syntax import ast

_NO_KEY = PublishedKey("")
_MOST_STRAYS = 100  # a text with more keys outside of sections is no spec, and nothing is proposed for them
_Ways = tuple[Fix | None, tuple[Fix, ...]]


class Names:
    """The names of the keys and sections among statements, and for each the most similar known name."""

    def __init__(self, statements: Sequence[ast.Statement], known: Collection[str]) -> None:
        self._written = [item.key.text for item in statements if isinstance(item, ast.Assignment)]
        self._written += [item.name.text for item in statements if isinstance(item, ast.Section)]
        self._known = tuple(known)

    @cached_property
    def nearest(self) -> Mapping[str, str | None]:
        """The most similar known name of each name; compared once, since a section may hold thousands of names."""
        return {name: nearest(name, self._known) for name in dict.fromkeys(self._written)}

    @cached_property
    def _free(self) -> list[str]:
        return [name for name in self._known if name not in self.nearest]

    @cached_property
    def _meant(self) -> Counter[str | None]:
        return Counter(self.nearest[name] for name in self._written)

    def nearest_free(self, name: str) -> str | None:
        """The most similar known name that is not written: a second one would be a duplicate."""
        near = self.nearest[name]
        return nearest(name, self._free) if near in self.nearest else near

    def renaming(self, name: ast.Name, near: str | None) -> _Ways:
        """Write the name `near` instead: a fix, or a suggestion if another name beside it is as similar to that."""
        if near is None:
            return None, ()
        fix = writing(name.span, near)
        return (fix, ()) if self._meant[near] <= 1 else (None, (fix,))


class Sections:
    """The sections of a document by dotted path, the first of each, and which keys they have."""

    def __init__(self, document: ast.Document) -> None:
        self._found: dict[str, ast.Section] = {}
        self._keys: set[str] = set()
        self.strays = sum(isinstance(item, ast.Assignment) for item in document.statements)
        self._collect(document.statements, "")

    def _collect(self, statements: Sequence[ast.Statement], path: str) -> None:
        for item in statements:
            if isinstance(item, ast.Assignment):
                self._keys.add(f"{path}{item.key.text}")
            elif isinstance(item, ast.Section) and f"{path}{item.name.text}" not in self._found:
                self._found[f"{path}{item.name.text}"] = item
                self._collect(item.statements, f"{path}{item.name.text}.")

    def __getitem__(self, path: str) -> ast.Section | None:
        """The section at a dotted path; None if the document has none."""
        return self._found.get(path)

    def has_key(self, dotted: str) -> bool:
        """Whether a section of the document has a key."""
        return dotted in self._keys

    @cached_property
    def free_homes(self) -> Mapping[str, str]:
        """The section of each key that the document does not have in it."""
        return {key: home for key, home in _HOMES.items() if not self.has_key(f"{home}.{key}")}


# The first section that has a key of a name.
_HOMES = {key: section for section in reversed(SCHEMA) for key in SCHEMA[section]}


def unknown_key(statement: ast.Assignment, section: str, beside: Names, sections: Sections) -> UnknownKey:
    """The diagnostic of a key that its section does not have; `beside` are the names in that section."""
    name, known = statement.key, tuple(SCHEMA[section])
    published, near = _foreign_key(statement), None
    if published.key:
        fix, suggestions = _published(statement, section, published, sections)
    else:
        near = beside.nearest_free(name.text)
        fix, suggestions = beside.renaming(name, near)
    return UnknownKey(
        span=name.span,
        key=name.text,
        section=section,
        known=known,
        near=near or "",
        published=published.key,
        written=published.written,
        is_common=published.is_common,
        fix=fix,
        suggestions=suggestions,
    )


def key_that_is_meant(name: str, section: str, beside: Names) -> str:
    """The dotted key that an unknown name in a section probably means; empty if none is similar."""
    if name in FOREIGN_KEYS:
        return FOREIGN_KEYS[name].key
    near = beside.nearest[name]
    return f"{section}.{near}" if near is not None else ""


def stray_key(statement: ast.Assignment, sections: Sections) -> UnknownSection:
    """The diagnostic of a key outside of every section."""
    name = statement.key.text
    published, near, home = _foreign_key(statement), "", ""
    is_there = False
    ways: _Ways = None, ()
    if name in TOP_LEVEL:
        pass
    elif published.key:
        ways = _published(statement, "", published, sections)
    elif name in _HOMES:
        near, home = name, _HOMES[name]
        is_there = sections.has_key(f"{home}.{name}")
        if not is_there:
            ways = _moving(statement, f"{home}.{near}", sections), ()
        elif "#" not in statement.span.text:
            ways = Fix("remove it", (removal(statement.span),)), ()
    else:
        near = (nearest(name, sections.free_homes) or "") if sections.strays <= _MOST_STRAYS else ""
        home = sections.free_homes.get(near, "")
        ways = (_moving(statement, f"{home}.{near}", sections) if near else None), ()
        if not near and isinstance(
            statement.value, (ast.Integer, ast.Reference, ast.Repeated, ast.Arithmetic, ast.Group)
        ):
            constant = insertion(statement.span.source, statement.span.start, "let ")
            ways = None, (Fix(f"write `let {name}` for a constant", (constant,)),)
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
        is_common=published.is_common,
        fix=ways[0],
        suggestions=ways[1],
    )


def unknown_section(name: ast.Name, beside: Names) -> UnknownSection:
    """The diagnostic of a section at the top level that does not exist; `beside` are the names at the top level."""
    near = beside.nearest_free(name.text)
    fix, suggestions = beside.renaming(name, near)
    return UnknownSection(
        span=name.span,
        name=name.text,
        written_as="section",
        top_level=TOP_LEVEL,
        near=near or "",
        fix=fix,
        suggestions=suggestions,
    )


def unknown_inner_section(
    section: ast.Section, inside: str, outermost: ast.Section, sections: Sections
) -> UnknownSection:
    """The diagnostic of a section inside another one; a known one is moved behind the outermost."""
    name, fix = section.name, None
    if name.text not in TOP_LEVEL and "#" not in section.span.text:
        fix = Fix("remove it", (removal(section.span),))
    elif name.text in TOP_LEVEL and sections[name.text] is None:
        moved = insertion(name.span.source, outermost.span.end, f"\n{section.span.text}")
        fix = Fix(f"move it out of `{inside.partition('.')[0]}`", (removal(section.span), moved))
    return UnknownSection(
        span=name.span, name=name.text, written_as="section", inside=inside, top_level=TOP_LEVEL, fix=fix
    )


def _foreign_key(statement: ast.Assignment) -> PublishedKey:
    """The key that another code gives the name of a statement; two values of `beta` are those of Adam."""
    found = FOREIGN_KEYS.get(statement.key.text, _NO_KEY)
    return _NO_KEY if found.key == "train.kl.weight" and isinstance(statement.value, ast.List) else found


def _published(statement: ast.Assignment, section: str, published: PublishedKey, sections: Sections) -> _Ways:
    """Write the key for a name of the published code: a fix, or a suggestion if its value has another form here."""
    way = _moving(statement, published.key, sections, published.written, section)
    if way is None:
        return None, ()
    return (None, (way,)) if published.written else (way, ())


def _moving(
    statement: ast.Assignment, dotted: str, sections: Sections, written: str = "", inside: str = ""
) -> Fix | None:
    """Write a statement as the key `dotted`, in its section; None if that has the key, or a comment would be lost."""
    section, _, key = dotted.rpartition(".")
    value = statement.span.text[statement.key.span.end - statement.span.start :]
    text = written or f"{key}{value}"
    target = sections[section]
    if (written and "#" in statement.span.text) or sections.has_key(dotted):
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
