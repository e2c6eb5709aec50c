"""HV512: a path with backslashes that are read as control characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit

_KEY = "data.path"
_ESCAPE = re.compile(r"\\(.)")
_SEPARATOR = re.compile(r'\\\\|\\(?!")')  # a backslash in a path, alone or written twice; `\"` is a quote
_MEANINGS = {"n": "a line break", "r": "a carriage return", "t": "a tab"}


class EscapeInPath(Diagnostic):
    """HV512."""

    code = "HV512"
    severity = Severity.ADVICE
    title = "`{escape}` in `data.path` is {meaning}, not a backslash and a letter"
    label = "read as {meaning}"
    help = "{proposal}"
    why = "In a string a backslash starts an escape. A path can use `/` on every system; a backslash is written twice."
    rests_on = "chosen here: hardly any path contains a control character."
    bad = spec(data='dataset = digits  path = "data\\train"')
    good = spec(data='dataset = digits  path = "data/train"')

    escape: str
    meaning: str


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the first control character that is written as an escape in the path of the images."""
    path = unit.origins.get(_KEY)
    if path is None or not path.text.startswith('"'):  # on the command line a path needs no quotes and has no escapes
        return

    found = next((item for item in _ESCAPE.finditer(path.text) if item[1] in _MEANINGS), None)
    if found is not None:
        start = path.start + found.start()
        yield EscapeInPath(
            span=path.source.span(start, start + 2),
            escape=found[0],
            meaning=_MEANINGS[found[1]],
            fix=writing(path, _SEPARATOR.sub("/", path.text)),
        )


ADVICE = (Rule(check, (_KEY,)),)
