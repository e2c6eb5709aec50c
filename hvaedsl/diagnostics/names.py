"""HV201 to HV213, HV216, HV218: keys, sections, values, constants and inheritance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from hvaedsl.diagnostics.diagnostic import Diagnostic, did_you_mean, listing
from hvaedsl.diagnostics.snippet import spec

_PUBLISHED = "the published code's "


class UnknownKey(Diagnostic):
    """HV201."""

    code = "HV201"
    title = "unknown key `{key}` in `{section}`"
    label = "not a key of `{section}`"
    help = "{hint}"
    why = "A typo in a key would otherwise leave its default in force without notice."
    bad = spec(model="widht = 16  latent = 4")
    good = spec()

    key: str
    section: str
    known: Sequence[str]
    near: str = ""  # the most similar key that the section of the spec does not have yet
    published: str = ""  # the key, dotted, for which the published code has this name
    written: str = ""  # how that key is written, if a value of the published code is not a value of it
    is_common: bool = False  # whether that name is one of many codes

    @property
    def hint(self) -> str:
        """The key that the published code calls so, the most similar key, or all of them."""
        if self.published:
            return _foreign_name(self.key, self.published, self.written, self.section, self.is_common)
        if self.near:
            return f"did you mean `{self.near}`?"
        return f"the keys of `{self.section}` are {listing(self.known, 'and')}"


def _foreign_name(name: str, key: str, written: str, section: str, is_common: bool) -> str:
    """What a name of another code is here; its section is named unless it is `section`."""
    home, _, bare = key.rpartition(".")
    place = f" in `{home}`" if home != section else ""
    return f"{'' if is_common else _PUBLISHED}`{name}` is `{written or bare}`{place} here"


class UnknownSection(Diagnostic):
    """HV202."""

    code = "HV202"
    title = "unknown {what} `{name}`"
    label = "{reason}"
    help = "{hint}"
    why = "A spec has the sections data, model, train, sample and paper; every key is in one of them."
    bad = spec(rest="training { steps = 100k }")
    good = spec(rest="train { steps = 100k }")

    name: str
    written_as: Literal["section", "key"]
    inside: str = ""  # the section that it is in; empty at the top level
    top_level: Sequence[str]  # the sections that are allowed there
    near: str = ""  # the most similar section that the spec does not have yet, or the most similar key
    home: str = ""  # the section of that key
    is_there: bool = False  # whether that section has the key already
    published: str = ""  # the key, dotted, for which the published code has this name
    written: str = ""  # how that key is written, if a value of the published code is not a value of it
    is_common: bool = False  # whether that name is one of many codes

    @property
    def what(self) -> str:
        """The kind of name, with its place."""
        if self.written_as == "key":
            return "top-level key"
        return f"section in `{self.inside}`" if self.inside else "section"

    @property
    def reason(self) -> str:
        """Why it is not allowed there."""
        if self.written_as == "key":
            return "outside of every section"
        if not self.inside:
            return "no such section"
        return "a top-level section" if self.name in self.top_level else "no such section here"

    @property
    def hint(self) -> str:
        """The name or the place that was probably meant."""
        is_section_name = self.name in self.top_level
        if self.written_as == "key":
            if is_section_name:
                return f"a section has no `=`: write `{self.name} {{ ... }}`"
            if self.published:
                return _foreign_name(self.name, self.published, self.written, "", self.is_common)
            if self.is_there:
                return f"`{self.home}` has this key; remove it here"
            if self.near == self.name:
                return f"move it into `{self.home} {{ ... }}`"
            sections = listing(self.top_level, "and")
            near = f"did you mean `{self.near}` in `{self.home}`?" if self.near else ""
            rest = f"every key is in one of the sections {sections}"
            return near or (f"{self.proposal}; {rest}" if self.suggestions else rest)
        if self.inside:
            return f"move it out of `{self.inside.partition('.')[0]}`" if is_section_name else "remove it"
        return f"did you mean `{self.near}`?" if self.near else f"the sections are {listing(self.top_level, 'and')}"


class DuplicateKey(Diagnostic):
    """HV203."""

    code = "HV203"
    title = "duplicate {what} `{name}`"
    label = "repeated here"
    help = "keep one of the two"
    why = "One of two values would silently win. To change an inherited value, write it in the spec that extends."
    bad = spec(model="width = 16  width = 32  latent = 4")
    good = spec()

    name: str
    what: str


class WrongType(Diagnostic):
    """HV204."""

    code = "HV204"
    title = "`{key}` must be {expected}"
    label = "found {found}"
    help = "{hint}"
    why = "Every key has a type; a value of another type is never converted silently."
    bad = spec(model='width = "16"  latent = 4')
    good = spec()

    key: str
    expected: str
    found: str
    hint: str = ""


class OutOfRange(Diagnostic):
    """HV205."""

    code = "HV205"
    title = "`{key}` is {value}; it must be {expected}"
    label = "out of range"
    help = "{hint}"
    why = "The value has the right type but makes no sense: a width of 0, a decay of 1, a temperature of 0."
    bad = spec(model="width = 0  latent = 4")
    good = spec()

    key: str
    expected: str
    value: str
    hint: str = ""


class UnknownSymbol(Diagnostic):
    """HV206."""

    code = "HV206"
    title = "unknown value `{symbol}` for `{key}`"
    label = "not one of its values"
    help = "{hint}"
    why = "Some keys take one word of a fixed list, such as the name of a dataset."
    bad = spec(data="dataset = digit")
    good = spec()

    key: str
    symbol: str
    known: Sequence[str]

    @property
    def hint(self) -> str:
        """The most similar symbol, and all of them."""
        near = did_you_mean(self.symbol, self.known)
        values = f"values are {listing(self.known, 'and')}"
        return f"{near} The {values}" if near else f"the {values}"


class MissingKey(Diagnostic):
    """HV207."""

    code = "HV207"
    title = "missing {which}"
    label = "{reason}"
    help = "{hint}"
    why = (
        "A few keys have no default. To compile, a spec needs the dataset, the width, the latent channels and both "
        "block lists; to train, also the steps, the batch size and the learning rate."
    )
    bad = spec(model="width = 16")
    good = spec()

    keys: tuple[str, ...]  # dotted
    purpose: Literal["to compile", "to train"]
    additions: tuple[tuple[str, str, bool], ...]  # section, text to add to it, and whether the spec has the section
    meaning: str  # of the first key

    @property
    def which(self) -> str:
        """The keys."""
        return f"key{'s' * (len(self.keys) > 1)} {listing((f'`{key}`' for key in self.keys), 'and')}"

    @property
    def reason(self) -> str:
        """Where the first key is missing, and what it is needed for."""
        section, _, has_section = next((item for item in self.additions if item[2]), self.additions[0])
        if not has_section:
            return f"the spec has no section `{section}`"
        if len(self.keys) > 1:
            return f"required {self.purpose}"
        return f"`{self.keys[0].split('.', 1)[1]}` is required {self.purpose}"

    @property
    def hint(self) -> str:
        """The text to add."""
        parts = [
            f"`{text}` to `{section}`" if has_section else f"`{section} {{ {text} }}`"
            for section, text, has_section in self.additions
        ]
        return f"add {listing(parts, 'and')}" + (f" ({self.meaning})" if len(self.keys) == 1 else "")


class UnknownConstant(Diagnostic):
    """HV208."""

    code = "HV208"
    title = "undefined constant `${name}`"
    label = "no `let {name}` in this spec or its bases"
    help = "{hint}"
    why = "`$name` is the integer of `let name = ...` in this file or in one that it extends."
    bad = spec(top="hvae 1\nlet n = 3", encoder="8x$m, 8d2, 4x1")
    good = spec(top="hvae 1\nlet n = 3", encoder="8x$n, 8d2, 4x1")

    name: str
    near: str = ""  # the most similar constant
    is_resolution: bool = False  # whether it is a known constant, with the operator of an entry behind it

    @property
    def hint(self) -> str:
        """The most similar constant, or how to define one."""
        if self.is_resolution:
            return "the resolution of an entry is a number; only what follows its operator can be a constant"
        if self.near:
            return f"did you mean `{self.near}`?"
        return self.proposal or "define it at the top level"


class UnknownOverride(Diagnostic):
    """HV209."""

    code = "HV209"
    title = "unknown constant `{name}` for `--let`"
    label = "no `let {name}` in the spec or its bases"
    help = "{hint}"
    why = "`--let` overrides a constant that the spec or one of its bases defines; with a typo it would change nothing."
    bad = ""  # needs a command line; the test gives one
    good = spec(top="hvae 1\nlet n = 2", decoder="4x1, 8m4, 8x$n")

    name: str
    known: Sequence[str]

    @property
    def hint(self) -> str:
        """The most similar constant, or all of them."""
        if not self.known:
            return "this spec has no constants"
        return did_you_mean(self.name, self.known) or f"its constants are {listing(self.known, 'and')}"


class BaseNotFound(Diagnostic):
    """HV210."""

    code = "HV210"
    title = 'cannot read the base "{target}"'
    label = "{reason}"
    help = "{hint}"
    why = "`extends` names a file, relative to the one that it is in, or one of the shipped specs."
    bad = spec(top='hvae 1\nextends "no_such_spec.hvae"')
    good = spec(top='hvae 1\nextends "vdvae.hvae"')

    target: str
    reason: str
    hint: str = ""


class InheritanceCycle(Diagnostic):
    """HV211."""

    code = "HV211"
    title = "this spec extends itself: {cycle}"
    label = "closes the cycle"
    help = "remove one `extends` of the cycle"
    why = "A spec consists of its base and its own changes; in a cycle no spec is the base."
    bad = spec(top='hvae 1\nextends "HV211.hvae"')
    good = spec()

    cycle: str


class BaseOutside(Diagnostic):
    """HV212."""

    code = "HV212"
    title = 'the base "{target}" is outside the project'
    label = "not inside {root}"
    help = "copy it into the project, or name a shipped spec"
    why = (
        "The project is the nearest folder above the spec with `.git` or `pyproject.toml`, or the spec's own folder if "
        "there is none. A base must be inside it, with symbolic links resolved: compiling a spec reads no other file."
    )
    bad = spec(top='hvae 1\nextends "../../../../../../../../etc/passwd"')
    good = spec(top='hvae 1\nextends "vdvae.hvae"')

    target: str
    root: str


class ConstantNotWhole(Diagnostic):
    """HV213."""

    code = "HV213"
    title = "`let {name}` must be a whole number or a block list"
    label = "found {found}"
    help = "a constant is a whole number, an expression of whole numbers, or a list of blocks"
    why = (
        "A constant is a count or a list of blocks: a value of a key, the k of `k*`, the number after an operator "
        "letter, or an entry of a block list."
    )
    bad = spec(top="hvae 1\nlet n = 1.5")
    good = spec(top="hvae 1\nlet n = 2", decoder="4x1, 8m4, 8x$n")

    name: str
    found: str


class DuplicateEntry(Diagnostic):
    """HV216."""

    code = "HV216"
    title = "duplicate {what} `{key}`"
    label = "repeated here"
    help = "keep one of the two"
    why = "One of two values would silently win."
    bad = spec(model="width = 16  latent = 4  widths = {4: 16, 4: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    key: str
    what: Literal["resolution", "entry", "value", "argument"]


class UnknownOption(Diagnostic):
    """HV218."""

    code = "HV218"
    title = "unknown key `{key}` for `--set`"
    label = "{reason}"
    help = "{hint}"
    why = "`--set` takes a key with its section, as in `--set model.width=64`."
    bad = ""  # needs a command line; the test gives one
    good = spec()

    key: str
    known: Sequence[str]
    published: str = ""  # the key for which the published code has this name
    is_common: bool = False  # whether that name is one of many codes
    options: str = ""  # the options that set what is written as the value of a section

    @property
    def inside(self) -> Sequence[str]:
        """The keys of the section that the name is; empty if it is none."""
        return [key for key in self.known if key.startswith(f"{self.key}.")]

    @property
    def reason(self) -> str:
        """Why it is not allowed."""
        return f"`{self.key}` is a section" if self.inside else "no section has this key"

    @property
    def hint(self) -> str:
        """The key that the published code calls so, the keys of a section, or the most similar key."""
        if self.inside:
            return f"name a key in it: write `{self.options or f'--set {self.inside[0]}=...'}`"
        if self.published:
            owner = "" if self.is_common else _PUBLISHED
            return f"{owner}`{self.key.rpartition('.')[2]}` is `{self.published}` here"
        bare = [key for key in self.known if key.split(".")[-1] == self.key]
        return f"did you mean `{bare[0]}`?" if bare else did_you_mean(self.key, self.known) or "write section.key=value"
