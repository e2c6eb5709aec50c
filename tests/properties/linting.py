"""`hvaedsl lint` of texts that are not files, and what it finds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.check import Check
from hvaedsl.lint.linted import Linted
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.texts import Texts, place_of


class Lint:
    """Lints the texts that come up while one text is fixed, each once."""

    def __init__(self) -> None:
        self.known: dict[str, Linted] = {}

    def __call__(self, texts: Texts) -> Linted:
        (source,) = texts.sources.values()
        if source.text not in self.known:
            self.known[source.text] = Check(Selection())(texts)
        return self.known[source.text]


def texts_of(text: str, name: str = "damaged.hvae") -> Texts:
    source = Source(name, text)
    return Texts({place_of(source): source})


def errors(found: Sequence[Diagnostic]) -> int:
    return sum(item.severity is Severity.ERROR for item in found)


def kinds(found: Sequence[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((item.code, item.message) for item in found)
