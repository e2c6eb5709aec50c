"""The checks as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.theory.checks import Check

WIDTH = 115  # of the longest row: a narrower terminal wraps lines, and no figure is cut
REMARKS = (
    "Theorem 2: the worst over images and J, per image and in units of max(1, ||x||).",
    "B.4: sampling layers saves little time. The state needs every layer's posterior, prior and z; "
    "only the sum of the KL is shorter.",
)


def checks_report(source: str, checks: Sequence[Check]) -> Group:
    """The identities with error, tolerance and verdict; apart from them the negative controls, then the figures."""
    identities = Table(title=f"Identities, in float64\n{source}", title_justify="left")
    controls = Table(title="\nNegative controls: these identities must fail", title_justify="left")
    for table, error, bound in ((identities, "error", "tolerance"), (controls, "differs by", "more than")):
        table.add_column("", no_wrap=True)
        table.add_column("identity", overflow="fold", min_width=63)
        table.add_column(error, justify="right", no_wrap=True)
        table.add_column(bound, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for check in checks:
        table, words = (controls, ("differs", "DOES NOT")) if check.control else (identities, ("holds", "FAILS"))
        verdict = Text(words[0], "green") if check.holds else Text(words[1], "bold red")
        table.add_row(check.name, Text(check.identity), f"{check.error:.2g}", f"{check.tolerance:g}", verdict)
    lines = [f"{check.name}: {_figures(check)}." for check in checks if check.figures]
    return Group(identities, controls, Text("\n" + "\n".join([*dict.fromkeys(lines), *REMARKS, _verdict(checks)])))


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
        f"{what} = {value:,}" if isinstance(value, int) else f"{what} = {value:.4g}"
        for what, value in check.figures.items()
    )


def _verdict(checks: Sequence[Check]) -> str:
    failed = [check for check in checks if not check.holds]
    if not failed:
        return f"All {len(checks)} are as they must be."
    return f"{len(failed)} of {len(checks)} are not: " + "; ".join(f"{it.name}, {it.identity}" for it in failed)
