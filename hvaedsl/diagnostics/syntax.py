"""HV1xx: syntax and encoding."""

from __future__ import annotations

from typing import Literal

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec


class UnexpectedToken(Diagnostic):
    """HV101."""

    code = "HV101"
    title = "unexpected {found}"
    label = "expected {expected}"
    help = "{hint}"
    why = (
        "The grammar does not allow this token here: a value, a comma or an `=` is missing before it, or there "
        "is an extra bracket."
    )
    bad = spec(encoder="8x2 8d2, 4x1")
    good = spec(encoder="8x2, 8d2, 4x1")

    found: str
    expected: str
    hint: str = ""
    ends_early: bool = False  # whether the text ends where a value is expected


class UnclosedBrace(Diagnostic):
    """HV103."""

    code = "HV103"
    title = "unclosed `{{`"
    label = "opened here"
    help = "close the section with `}}`"
    why = "A section extends from `{` to its `}`. Without the `}` everything that follows would belong to the section."
    bad = "hvae 1\ndata { dataset = digits\n"
    good = spec()


class UnmatchedBrace(Diagnostic):
    """HV104."""

    code = "HV104"
    title = "unmatched `}}`"
    label = "no section is open here"
    help = "{hint}"
    why = "Every `}` closes one `{`."
    bad = spec() + "}\n"
    good = spec()

    closed: str = ""  # the section that another brace closes before its last keys

    @property
    def hint(self) -> str:
        """Which brace to remove."""
        if self.closed:
            return f"remove the `}}` that closes `{self.closed}` before its last keys"
        return "remove it"


class MissingVersion(Diagnostic):
    """HV105."""

    code = "HV105"
    title = "the first statement must be `hvae 1`"
    label = "expected before this"
    help = "{hint}"
    why = "The first statement gives the version of the language, so that later versions can still read today's files."
    bad = spec(top="")
    good = spec()

    is_late: bool = False  # whether another statement is before `hvae`

    @property
    def hint(self) -> str:
        """What to add, or to move."""
        return "move the `hvae 1` to the start of the file" if self.is_late else "start the file with `hvae 1`"


class UnsupportedVersion(Diagnostic):
    """HV106."""

    code = "HV106"
    title = "unknown language version {number}"
    label = "this compiler reads version 1"
    help = "{proposal}, or update hvaedsl"
    why = "A compiler reads only the versions of the language that it knows."
    bad = spec(top="hvae 2")
    good = spec()

    number: int


class NotText(Diagnostic):
    """HV107."""

    code = "HV107"
    title = "this file is not UTF-8 text: {reason}"
    help = "save it as UTF-8"
    why = "A spec is UTF-8 text, with or without a byte order mark. UTF-16 and binary files are not read."
    bad = ""  # cannot be shown as text; the test writes UTF-16
    good = spec()

    reason: str


class MalformedNumber(Diagnostic):
    """HV110."""

    code = "HV110"
    title = "`{text}` is not a number or a block"
    label = "{reason}"
    help = "{hint}"
    why = (
        "Numbers are `384`, `1_000`, `250k`, `1M`, `1.5`, `2e-4`; a block is a resolution, one lowercase operator and "
        "a count: `32x11`, `32r12`, `32d2`, `16m8`."
    )
    bad = spec(encoder="8X2, 8d2, 4x1")
    good = spec()

    text: str
    in_lowercase: str = ""  # the text with a lowercase operator or suffix, if that is a block or a number
    is_suffixed: bool = False  # digits, then letters that are neither a suffix nor an operator
    with_constant: str = ""  # the text with `$` before the name of a constant, if it ends in one
    without_point: str = ""  # the number without a point that has no digits behind it
    in_one_group: str = ""  # the number without separators between groups of digits

    @property
    def reason(self) -> str:
        """The problem with the text."""
        if self.without_point:
            return "no digits behind the point"
        if self.in_one_group:
            return "only `_` separates groups of digits"
        if self.with_constant:
            return "a constant has a `$` before its name"
        if self.is_suffixed:
            return "no such suffix or operator"
        return "operators and the suffix `k` are lowercase letters" if self.in_lowercase else "not a known form"

    @property
    def hint(self) -> str:
        """The valid form, if there is one."""
        written = self.with_constant or self.in_lowercase or self.without_point or self.in_one_group
        if self.is_suffixed:
            return "the suffixes of an integer are `k` (1,000) and `M` (1,000,000); a memory size is a number of GiB"
        return f"write `{written}`" if written else ""


class MisplacedStatement(Diagnostic):
    """HV111."""

    code = "HV111"
    title = "`{statement}` is not allowed here"
    label = "{reason}"
    help = "{hint}"
    why = (
        "`hvae`, `extends` and `let` are top-level statements, outside of every section. A file has one `hvae`, which "
        "is first, and at most one `extends`, which is second."
    )
    bad = spec(model="let n = 3  width = 16  latent = 4")
    good = spec(top="hvae 1\nlet n = 2", decoder="4x1, 8m4, 8x$n")

    statement: Literal["hvae", "extends", "let"]
    section: str = ""  # the section that it is in; empty at the top level

    @property
    def reason(self) -> str:
        """Why the statement is not allowed."""
        if self.section:
            return f"inside `{self.section}`"
        return "not the first statement" if self.statement == "hvae" else "after other statements"

    @property
    def hint(self) -> str:
        """The right place."""
        if self.section:
            return "move it out of the section"
        if self.statement == "hvae":
            return "keep only the `hvae 1` at the start of the file"
        return "move it to right after `hvae 1`"


class UnknownOperator(Diagnostic):
    """HV112."""

    code = "HV112"
    title = "unknown {stack} operator `{operator}`"
    label = "expected {operators}"
    help = "{hint}"
    why = (
        "`RxN` is N blocks at resolution R, each with its own weights; `RrN` is one block applied N times. Only in an "
        "encoder, `RdK` is a block followed by pooling by K; only in a decoder, `RmS` is a block that mixes in the "
        "state of resolution S. openai/vdvae does not tell `d` and `m` apart (vae.py, parse_layer_string): it reads "
        "`8m2` in an encoder as `8d2`, and `8d4` in a decoder as `8m4`."
    )
    bad = spec(encoder="8q2, 8d2, 4x1")
    good = spec()

    operator: str
    stack: str  # encoder, decoder, or a named list, which either of them may use
    with_constant: str = ""  # the entry with `$` before what may be the name of a constant
    constant: str = ""  # the name of that constant if it is not defined
    published: str = ""  # the entry of this stack that openai/vdvae reads a `d` or `m` of the other one as

    @property
    def operators(self) -> str:
        """The operators of this stack."""
        if self.stack == "list":
            return "`x`, `r`, `d` or `m`"
        return "`x`, `r` or `d`" if self.stack == "encoder" else "`x`, `r` or `m`"

    @property
    def hint(self) -> str:
        """The stack that has the operator, or the operators of this one."""
        if self.constant:
            return f"for a constant {self.proposal}" if self.suggestions else "a constant has a `$` before its name"
        if self.with_constant:
            return f"write `{self.with_constant}`: a constant has a `$` before its name"
        if self.operator == "m":
            return f"`m` mixes in a state, which only a decoder does{self._reading}"
        if self.operator == "d":
            return f"`d` pools, which only an encoder does{self._reading}"
        pools, mixes = "`RdK` a block and pooling by K", "`RmS` a block that mixes in S"
        last = {"encoder": pools, "decoder": mixes}.get(self.stack, f"{pools}, {mixes}")
        return f"`RxN` is N blocks at R, `RrN` one block applied N times, {last}"

    @property
    def _reading(self) -> str:
        return f"; openai/vdvae reads this entry as `{self.published}`" if self.published else ""


class MissingCount(Diagnostic):
    """HV113."""

    code = "HV113"
    title = "`{text}` is missing {missing}"
    label = "expected {expected}"
    help = "{example}"
    why = (
        "Every operator takes a number: of blocks, of applications, the factor of a pooling, or the source of a mix-in."
    )
    bad = spec(encoder="8x, 8d2, 4x1")
    good = spec()

    text: str
    missing: str

    @property
    def expected(self) -> str:
        """What follows the text."""
        return "a name or a number" if self.text.endswith("$") else "a number"


class UnclosedString(Diagnostic):
    """HV114."""

    code = "HV114"
    title = "unclosed string"
    label = 'no closing `"` on this line'
    help = "{hint}"
    why = "A string starts and ends on one line."
    bad = 'hvae 1\nextends "vdvae.hvae\n'
    good = spec()

    ends_in_backslash: bool = False

    @property
    def hint(self) -> str:
        """How to close it."""
        if self.ends_in_backslash:
            return '`\\"` is a quote inside the string; paths can use `/` on every system'
        return 'close it with `"`; a quote inside a string is `\\"`'


class UnknownEscape(Diagnostic):
    """HV118."""

    code = "HV118"
    title = "unknown escape `{escape}` in a string"
    label = 'the escapes are `\\"`, `\\\\`, `\\n`, `\\r` and `\\t`'
    help = "a backslash is `\\\\`; paths can use `/` on every system"
    why = (
        'In a string `\\"` is a quote, `\\\\` a backslash, `\\n` a line break, `\\r` a carriage return and `\\t` a '
        "tab; there are no others."
    )
    bad = spec(data='dataset = digits  path = "D:\\faces"')
    good = spec(data='dataset = digits  path = "D:\\\\faces"')

    escape: str


class NoStatements(Diagnostic):
    """HV119."""

    code = "HV119"
    title = "this file has no statements"
    label = "only white space and comments"
    help = "run `hvaedsl new NAME` to create a small, complete spec"
    why = "An empty file gets this one error in place of one for each key that a spec needs."
    bad = "# the next model\n"
    good = spec()
