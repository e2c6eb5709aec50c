"""HV120 to HV127, HV129, HV130: notations of other languages and tools, each with the form that is written here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from hvaedsl.diagnostics.characters import DOUBLE_QUOTES, SINGLE_QUOTES, UnexpectedCharacter
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec


class ForeignComment(Diagnostic):
    """HV120."""

    code = "HV120"
    title = "`{mark}` does not start a comment"
    label = "comments start with `#`"
    help = "write `#`"
    why = "A comment starts with `#` and ends with its line; there are no comments of several lines."
    bad = spec(model="width = 16  latent = 4  // channels")
    good = spec(model="width = 16  latent = 4  # channels")

    mark: Literal["//", "/*"]


class FloorDivision(Diagnostic):
    """HV129."""

    code = "HV129"
    title = "`//` is not an operator"
    label = "division is written `/`"
    help = "{proposal}: it is exact, and a remainder is an error"
    why = (
        "Some languages round a quotient with `//`, others start a comment with it. Here `#` starts a comment, and `/` "
        "divides whole numbers without a remainder."
    )
    bad = spec(top="hvae 1\nlet n = 8\nlet m = $n // 4", encoder="8r$m, 8x$n, 8d2, 4x1", decoder="4x2, 8m4, 8x5")
    good = spec(top="hvae 1\nlet n = 8\nlet m = $n/4", encoder="8r$m, 8x$n, 8d2, 4x1", decoder="4x2, 8m4, 8x5")


class SingleQuotes(Diagnostic):
    """HV121."""

    code = "HV121"
    title = "a string in single quotes"
    label = "strings are in double quotes"
    help = "{proposal}"
    why = "A string has double quotes; words of the language, such as `cifar10`, have none."
    bad = spec(data="dataset = digits  path = 'data/faces'")
    good = spec(data='dataset = digits  path = "data/faces"')


class MissingQuotes(Diagnostic):
    """HV122."""

    code = "HV122"
    title = "`{text}` is not in quotes"
    label = "file names and names of custom parts are strings"
    help = "{proposal}"
    why = (
        "Only the words of the language, which have ASCII letters, digits and underscores, are written without quotes."
    )
    bad = spec(data="dataset = digits  path = data/faces")
    good = spec(data='dataset = digits  path = "data/faces"')

    text: str


class BracedConstant(Diagnostic):
    """HV123."""

    code = "HV123"
    title = "`{text}` is not the name of a constant"
    label = "constants have no braces"
    help = "write `${name}`"
    why = "`$name` is the integer of `let name = ...`. In a block entry it follows the operator: `8r$name`."
    bad = spec(top="hvae 1\nlet n = 3", encoder="8r${n}, 8d2, 4x1")
    good = spec(top="hvae 1\nlet n = 3", encoder="8r$n, 8d2, 4x1")

    text: str
    name: str


class SpacedEntry(Diagnostic):
    """HV124."""

    code = "HV124"
    title = "`{text}` has spaces inside a block entry"
    label = "an entry is one word"
    help = "write `{replacement}`"
    why = "A block entry is a resolution, an operator and a number or constant, without spaces between them."
    bad = spec(encoder="8 x 2, 8d2, 4x1")
    good = spec(encoder="8x2, 8d2, 4x1")

    text: str
    replacement: str


class Semicolon(Diagnostic):
    """HV125."""

    code = "HV125"
    title = "unexpected `;`"
    label = "{reason}"
    help = "{hint}"
    why = "The values of a list are separated by commas. Statements need no separator: white space is enough."
    bad = spec(encoder="8x2; 8d2; 4x1")
    good = spec(encoder="8x2, 8d2, 4x1")

    in_list: bool

    @property
    def reason(self) -> str:
        """What is between values, or between statements."""
        return "the values of a list are separated by commas" if self.in_list else "statements have no separator"

    @property
    def hint(self) -> str:
        """The change."""
        return "write `,`" if self.in_list else "remove it"


class CausalGenList(Diagnostic):
    """HV126."""

    code = "HV126"
    title = "`{text}` is a block list of causal-gen"
    label = "{meaning}"
    help = "{hint}"
    why = (
        "In the published code of causal-gen (biomedia-mira/causal-gen, src/vae.py) `RbN` is N blocks at resolution R, "
        "and `RbNdK` in an encoder N blocks and one more block that is followed by average pooling by K. Its decoder "
        "adds the state of the resolution before to the first block of the next one; here an `m` entry does that."
    )
    bad = spec(encoder="8b2d2, 4b1")
    good = spec(encoder="8x2, 8d2, 4x1")

    text: str
    stack: Literal["encoder", "decoder"]

    @property
    def hint(self) -> str:
        """The same blocks in this language."""
        if self.fix is not None:
            return self.proposal
        if self.stack == "encoder":
            return "write each stage as `RxN, RdK`; that code reads only the first digit of K"
        return "write each stage as `RmS, Rx(N-1)`, where S is the resolution before; a decoder does not pool"

    @property
    def meaning(self) -> str:
        """How that code reads the entries of this stack."""
        if self.stack == "encoder":
            return "`RbNdK` is N blocks at R and one with pooling by K"
        return "`RbN` is N blocks at R, the first of which mixes in the state before"


class DottedKey(Diagnostic):
    """HV127."""

    code = "HV127"
    title = "`{dotted}` is not a key"
    label = "{reason}"
    help = "{hint}"
    why = (
        "Only the command line names a key with its section, as in `--set model.width=64`; there each key has its own "
        "option."
    )
    bad = spec(top="hvae 1\ntrain.steps = 100k")
    good = spec(rest="train { steps = 100k }")

    dotted: str
    statement: str  # the statement with its sections; empty if its value is not known, or it would be the second one
    inside: str = ""  # the section that the spec has, in which the statement belongs
    is_there: bool = False  # whether that section has the key
    flag: str = ""  # the option of the command line that the key is in
    options: str = ""  # the options in its place, if all their keys are known

    @property
    def reason(self) -> str:
        """Where it belongs."""
        return f"in the value of another `{self.flag}`" if self.flag else "a key is written inside its section"

    @property
    def hint(self) -> str:
        """Where to write what."""
        if self.flag:
            return f"write `{self.options}`" if self.options else f"give `{self.flag}` once for each name"
        section, _, key = self.dotted.rpartition(".")
        if not self.statement:
            return f"{'change' if self.is_there else 'write'} the key `{key}` inside the section `{section}`"
        return f"write `{self.statement}`" + (f" inside the section `{self.inside}`" if self.inside else "")


class UnresolvedConflict(Diagnostic):
    """HV130."""

    code = "HV130"
    title = "unresolved merge conflict, {lines}"
    label = "the first marker of git"
    help = "keep one side, and remove the lines with the markers"
    why = (
        "After a merge or a rebase, git leaves both sides of a change in the file, between lines of `<<<<<<<`, "
        "`=======` and `>>>>>>>`. Nothing else is reported from between them, since the file has two versions there."
    )
    bad = spec(rest="<<<<<<< HEAD\ntrain { steps = 100k }\n=======\ntrain { steps = 200k }\n>>>>>>> longer")
    good = spec(rest="train { steps = 100k }")

    last_line: int
    end: int  # the offset behind the last marker; that of the end of the text if the marker of the end is missing

    @property
    def lines(self) -> str:
        """The lines from the first marker to the last."""
        first = self.span.line
        return f"line {first}" if self.last_line == first else f"lines {first} to {self.last_line}"


def outside_conflicts(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings without those inside an unresolved conflict."""
    items = list(found)
    conflicts = [item for item in items if isinstance(item, UnresolvedConflict)]

    def is_inside(item: Diagnostic) -> bool:
        return not isinstance(item, UnresolvedConflict) and any(
            each.span.source is item.span.source and each.span.start <= item.span.start < each.end for each in conflicts
        )

    return [item for item in items if not is_inside(item)] if conflicts else items


def without_explained_quotes(errors: list[Diagnostic]) -> list[Diagnostic]:
    """The errors without wrong quotes around a value that must not be a string, whose fix removes the quotes."""
    others = [item.span for item in errors if not isinstance(item, SingleQuotes | UnexpectedCharacter)]
    ends = {(id(span.source), at) for span in others for at in (span.start, span.end - 1)}

    def is_explained(item: Diagnostic) -> bool:
        if isinstance(item, UnexpectedCharacter):
            is_quote = item.found in DOUBLE_QUOTES or item.found in SINGLE_QUOTES
            return is_quote and (id(item.span.source), item.span.start) in ends
        return isinstance(item, SingleQuotes) and item.span in others

    return [item for item in errors if not is_explained(item)]
