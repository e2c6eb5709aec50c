"""HV2xx: keys, values, constants and inheritance."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic, did_you_mean, listing
from hvaedsl.diagnostics.snippet import spec


class UnknownKey(Diagnostic):
    """HV201."""

    code = "HV201"
    title = "unknown key `{key}` in `{section}`"
    label = "not a key of `{section}`"
    help = "{hint}"
    why = "A typo in a key would otherwise leave a default in force without a word."
    bad = spec(model="widht = 16  latent = 4")
    good = spec()

    key: str
    section: str
    known: Sequence[str]

    @property
    def hint(self) -> str:
        """The nearest key, else all of them."""
        return did_you_mean(self.key, self.known) or f"its keys are {listing(self.known, 'and')}"


class UnknownSection(Diagnostic):
    """HV202."""

    code = "HV202"
    title = "unknown {what} `{name}`"
    label = "{reason}"
    help = "{hint}"
    why = "A spec has the sections data, model, train, sample and paper; every key stands in one of them."
    bad = spec(rest="training { steps = 100k }")
    good = spec(rest="train { steps = 100k }")

    name: str
    what: str
    reason: str
    hint: str


class DuplicateKey(Diagnostic):
    """HV203."""

    code = "HV203"
    title = "{what} `{name}` is written twice"
    label = "written again here"
    help = "keep one of the two"
    why = "Of two values one would win in silence. To change an inherited value, write it in the file that extends."
    bad = spec(model="width = 16  width = 32  latent = 4")
    good = spec()

    name: str
    what: str


class WrongType(Diagnostic):
    """HV204."""

    code = "HV204"
    title = "`{key}` takes {wanted}"
    label = "this is {found}"
    help = "{hint}"
    why = "Every key has a type; a value of another type is never converted in silence."
    bad = spec(model='width = "16"  latent = 4')
    good = spec()

    key: str
    wanted: str
    found: str
    hint: str = ""


class OutOfRange(Diagnostic):
    """HV205."""

    code = "HV205"
    title = "`{key}` takes {wanted}"
    label = "{value} is out of range"
    why = "The value has the right type and makes no sense: a width of 0, a decay of 1, a temperature of 0."
    bad = spec(model="width = 0  latent = 4")
    good = spec()

    key: str
    wanted: str
    value: str


class UnknownSymbol(Diagnostic):
    """HV206."""

    code = "HV206"
    title = "`{key}` cannot be `{symbol}`"
    label = "not one of its values"
    help = "{hint}"
    why = "Some keys take one of a few words, such as the name of a data set."
    bad = spec(data="dataset = digit")
    good = spec()

    key: str
    symbol: str
    known: Sequence[str]

    @property
    def hint(self) -> str:
        """The nearest symbol, and all of them."""
        near = did_you_mean(self.symbol, self.known)
        return f"{near + ' ' if near else ''}it takes {listing(self.known)}"


class MissingKey(Diagnostic):
    """HV207."""

    code = "HV207"
    title = "`{key}` is missing"
    label = "{where}"
    help = "write `{section} {{ {name} = {example} }}`: {meaning}"
    why = (
        "A few keys have no default: the data set, the width, the latent channels and the two block lists to compile; "
        "the steps, the batch size and the learning rate to train."
    )
    bad = spec(model="width = 16")
    good = spec()

    key: str
    where: str
    example: str
    meaning: str

    @property
    def section(self) -> str:
        """The section of the key."""
        return self.key.split(".")[0]

    @property
    def name(self) -> str:
        """The key without its section."""
        return self.key.split(".", 1)[-1]


class UnknownConstant(Diagnostic):
    """HV208."""

    code = "HV208"
    title = "`${name}` is not defined"
    label = "no `let {name}`"
    help = "{hint}"
    why = "`$name` stands for the whole number of a `let name = ...` in this file or in one that it extends."
    bad = spec(top="hvae 1\nlet n = 3", encoder="8x$m, 8d2, 4x1")
    good = spec(top="hvae 1\nlet n = 3", encoder="8x$n, 8d2, 4x1")

    name: str
    known: Sequence[str]

    @property
    def hint(self) -> str:
        """The nearest constant, or how to define one."""
        return did_you_mean(self.name, self.known) or f"define it at the top level: `let {self.name} = 3`"


class UnknownOverride(Diagnostic):
    """HV209."""

    code = "HV209"
    title = "no spec defines `let {name}`"
    label = "given on the command line"
    help = "{hint}"
    why = "A constant given with `--let` must be one that the spec or its base defines; a typo would change nothing."
    bad = ""  # lives on the command line; the test gives it there
    good = spec(top="hvae 1\nlet n = 3")

    name: str
    known: Sequence[str]

    @property
    def hint(self) -> str:
        """The nearest constant, or which ones there are."""
        if not self.known:
            return "this spec has no constants"
        return did_you_mean(self.name, self.known) or f"it defines {listing(self.known, 'and')}"


class BaseNotFound(Diagnostic):
    """HV210."""

    code = "HV210"
    title = 'cannot read the base "{target}"'
    label = "{reason}"
    help = "{hint}"
    why = "`extends` names a file relative to the one that it stands in, or one of the shipped specs."
    bad = spec(top='hvae 1\nextends "no_such_spec.hvae"')
    good = spec(top='hvae 1\nextends "vdvae.hvae"')

    target: str
    reason: str
    hint: str = ""


class InheritanceCycle(Diagnostic):
    """HV211."""

    code = "HV211"
    title = "this spec extends itself: {cycle}"
    label = "closes the circle"
    help = "take one `extends` out"
    why = "A spec is its base and what it changes; a circle has no base."
    bad = spec(top='hvae 1\nextends "HV211.hvae"')
    good = spec()

    cycle: str


class BaseOutside(Diagnostic):
    """HV212."""

    code = "HV212"
    title = 'the base "{target}" lies outside of the project'
    label = "not inside {root}"
    help = "copy it into the project, or name a shipped spec"
    why = (
        "A base must lie, symbolic links followed, inside the nearest folder above the spec that has `.git` or "
        "`pyproject.toml`, else inside the spec's own folder: compiling a spec reads no other file of the machine."
    )
    bad = spec(top='hvae 1\nextends "../../../../../../../../etc/passwd"')
    good = spec(top='hvae 1\nextends "vdvae.hvae"')

    target: str
    root: str


class ConstantNotWhole(Diagnostic):
    """HV213."""

    code = "HV213"
    title = "`let {name}` takes a whole number"
    label = "this is {found}"
    help = "version 1 of the language has no arithmetic and no constants of other types"
    why = "A constant is a count: a value of a key, the k of `k*`, or the number after an operator letter."
    bad = spec(top="hvae 1\nlet n = 1.5")
    good = spec(top="hvae 1\nlet n = 3")

    name: str
    found: str


class DataShape(Diagnostic):
    """HV214."""

    code = "HV214"
    title = "{problem}"
    label = "{reason}"
    help = "{hint}"
    why = (
        "The data sets know their resolution, channels and levels. For one's own images (npy, folder) the spec says "
        "them, since compiling opens no file."
    )
    bad = spec(data="dataset = npy")
    good = spec(data="dataset = npy  channels = 1  resolution = 8")

    problem: str
    reason: str
    hint: str


class WrongArguments(Diagnostic):
    """HV215."""

    code = "HV215"
    title = "`{function}` {problem}"
    label = "{reason}"
    help = "write {written}"
    why = (
        "A likelihood takes the number of its mixture components, and `bits = 5` for targets of five bits; pooling by "
        "a wavelet takes the wavelet's name, haar or db2."
    )
    bad = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10, bits = 3)")
    good = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10)")

    function: str
    problem: str
    reason: str
    written: str = "mixture_of_logistics(10), mixture_of_logistics(10, bits = 5) or bernoulli"


class DuplicateEntry(Diagnostic):
    """HV216."""

    code = "HV216"
    title = "{key} is written twice in one value"
    label = "written again here"
    help = "keep one of the two"
    why = "Of two values one would win in silence."
    bad = spec(model="width = 16  latent = 4  widths = {4: 16, 4: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    key: str


class LikelihoodMismatch(Diagnostic):
    """HV217."""

    code = "HV217"
    title = "{problem}"
    label = "{reason}"
    help = "{hint}"
    why = (
        "A Bernoulli likelihood reads pixels of 0 and 1 in one channel, so its images are binarised; a mixture of "
        "logistics reads levels, so they are not. Targets of five bits are made from 256 levels."
    )
    bad = spec(model="width = 16  latent = 4  likelihood = bernoulli", data="dataset = digits  binarize = none")
    good = spec(model="width = 16  latent = 4  likelihood = bernoulli")

    problem: str
    reason: str
    hint: str


class UnknownOption(Diagnostic):
    """HV218."""

    code = "HV218"
    title = "no key is called `{key}`"
    label = "given on the command line"
    help = "{hint}"
    why = "`--set` takes a key with its section, as in `--set model.width=64`."
    bad = ""  # lives on the command line; the test gives it there
    good = spec()

    key: str
    known: Sequence[str]

    @property
    def hint(self) -> str:
        """The nearest key."""
        bare = [key for key in self.known if key.split(".")[-1] == self.key]
        return f"did you mean `{bare[0]}`?" if bare else did_you_mean(self.key, self.known) or "write section.key=value"
