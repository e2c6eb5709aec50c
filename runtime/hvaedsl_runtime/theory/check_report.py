"""The results of the theory checks, as text tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.theory.checks import Check

WIDTH = 118  # of the longest row: on a narrower terminal lines wrap, and no number is cut off
IDENTITY_WIDTH = 66
REMARKS = (
    "Theorem 2: errors are per image, in units of max(1, ||x||); the largest over images and J is shown.",
    "B.4: sampling layers saves little time, because the state needs the posterior, the prior and z of every layer; "
    "only the sum of the KL has fewer terms.",
)


def checks_report(source: str, checks: Sequence[Check]) -> Group:
    """A table of the identities, a table of the negative controls, and the additional figures."""
    identities = Table(title=f"Identities, in float64\n{source}", title_justify="left")
    controls = Table(title="\nNegative controls: these identities must fail", title_justify="left")
    for table, error, bound in ((identities, "error", "tolerance"), (controls, "differs by", "more than")):
        table.add_column("", no_wrap=True)
        table.add_column("identity", overflow="fold", min_width=IDENTITY_WIDTH)
        table.add_column(error, justify="right", no_wrap=True)
        table.add_column(bound, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)

    for check in checks:
        table, words = (controls, ("differs", "DOES NOT")) if check.control else (identities, ("holds", "FAILS"))
        verdict = Text(words[0], "green") if check.holds else Text(words[1], "bold red")
        table.add_row(check.name, Text(check.identity), f"{check.error:.2g}", f"{check.tolerance:g}", verdict)

    figures = dict.fromkeys(f"{check.name}: {_figures(check)}." for check in checks if check.figures)
    return Group(identities, controls, Text("\n" + "\n".join([*figures, *REMARKS, _verdict(checks)])))


def checks_json(source: str, checks: Sequence[Check]) -> str:
    """The same as JSON; an error that is not finite is null."""
    rows = [
        {
            "name": check.name,
            "identity": check.identity,
            "error": check.error,
            "tolerance": check.tolerance,
            "holds": check.holds,
            "control": check.control,
            "figures": dict(check.figures),
        }
        for check in checks
    ]
    return json_text({"source": source, "holds": all(check.holds for check in checks), "checks": rows}, indent=2)


def _figures(check: Check) -> str:
    return ", ".join(
        f"{name} = {value:,}" if isinstance(value, int) else f"{name} = {value:.4g}"
        for name, value in check.figures.items()
    )


def _verdict(checks: Sequence[Check]) -> str:
    failed = [check for check in checks if not check.holds]
    if not failed:
        return f"All {len(checks)} checks passed."
    return f"{len(failed)} of {len(checks)} checks failed: " + "; ".join(f"{it.name}, {it.identity}" for it in failed)
