"""Numbers whose digits are in groups, as people write them: `1 000 000` and `1'000'000`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import writing
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.syntax import MalformedNumber
from hvaedsl.syntax.builder import token_span
from hvaedsl.syntax.lalr import Token

_GROUPED = re.compile(
    r"[1-9][0-9]{0,2}(?P<separator>[ '\u00a0\u2009\u202f])[0-9]{3}(?:(?P=separator)[0-9]{3})*(?![0-9A-Za-z_.'])"
)


def grouped_number(source: Source, tokens: Sequence[Token], at: int) -> MalformedNumber | None:
    """The diagnostic of such a number, if the token at an index is its second one, and the number is a whole value.

    In a list, `8 100` are more likely two entries without a comma between them.
    """
    if at == 0 or tokens[at - 1].type != "INTEGER" or (at > 1 and tokens[at - 2].type != "EQUAL"):
        return None
    found = _GROUPED.match(source.text, token_span(source, tokens[at - 1]).start)
    if found is None:
        return None
    span, digits = source.span(*found.span()), re.sub(r"[^0-9]", "", found[0])
    return MalformedNumber(span=span, text=found[0][:40], in_one_group=digits, fix=writing(span, digits))
