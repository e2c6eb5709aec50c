"""Selectors of advice: a code such as `HV502`, or a prefix such as `HV5`."""

from __future__ import annotations

import re
from functools import cache

from hvaedsl.diagnostics.diagnostic import Severity, nearest


@cache
def severities() -> dict[str, Severity]:
    """Return the severity of every code."""
    from hvaedsl.rules import KINDS  # imported late: an unchanged spec is linted without the rules

    return {code: kind.severity for code, kind in KINDS.items()}


def advice_codes() -> tuple[str, ...]:
    """Return the codes that can be selected."""
    return tuple(code for code, severity in severities().items() if severity is Severity.ADVICE)


def selector_problem(selector: str) -> str:
    """Return why a selector selects no advice; empty if it selects some."""
    if re.fullmatch("HV[0-9]*", selector) and any(code.startswith(selector) for code in advice_codes()):
        return ""
    if re.fullmatch("HV[0-9]+", selector) and any(code.startswith(selector) for code in severities()):
        return f"`{selector}` selects errors, which always show; select advice: {_groups()}"
    near = nearest(selector.upper(), (*advice_codes(), *_prefixes()))
    return f"no advice has the code `{selector}`; " + (f"did you mean `{near}`?" if near else f"advice is {_groups()}")


def specificity(selectors: tuple[str, ...], code: str) -> int:
    """Return the length of the longest selector that matches a code; 0 if none does."""
    return max((len(item) for item in selectors if code.startswith(item)), default=0)


def _prefixes() -> list[str]:
    return sorted({code[:3] for code in advice_codes()})


def _groups() -> str:
    return " and ".join(f"{prefix}xx" for prefix in _prefixes())
