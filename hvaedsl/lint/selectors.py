"""Codes as a configuration names them: `HV502`, or a prefix such as `HV5` for all of a kind."""

from __future__ import annotations

import re
from functools import cache

from hvaedsl.diagnostics.diagnostic import Severity, nearest


@cache
def severities() -> dict[str, Severity]:
    """The severity of every code."""
    from hvaedsl.rules import KINDS  # a spec that has not changed is linted without the rules

    return {code: kind.severity for code, kind in KINDS.items()}


def advice_codes() -> tuple[str, ...]:
    """The codes that can be chosen."""
    return tuple(code for code, severity in severities().items() if severity is Severity.ADVICE)


def refusal(selector: str) -> str:
    """Why a selector can choose no advice; empty where it can."""
    if re.fullmatch("HV[0-9]*", selector) and any(code.startswith(selector) for code in advice_codes()):
        return ""
    if re.fullmatch("HV[0-9]+", selector) and any(code.startswith(selector) for code in severities()):
        return f"`{selector}` is about errors: they are always given; only advice ({_groups()}) can be chosen"
    near = nearest(selector.upper(), (*advice_codes(), *_prefixes()))
    return f"no advice has the code `{selector}`" + (f"; did you mean `{near}`?" if near else f": it is {_groups()}")


def chooses(selectors: tuple[str, ...], code: str) -> int:
    """How closely the selectors name a code: the length of the longest that does, 0 where none does."""
    return max((len(item) for item in selectors if code.startswith(item)), default=0)


def _prefixes() -> list[str]:
    return sorted({code[:3] for code in advice_codes()})


def _groups() -> str:
    return " and ".join(f"{prefix}xx" for prefix in _prefixes())
