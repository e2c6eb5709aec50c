"""The results of the theory checks, as text tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from hvaedsl.report.grid import Column, Grid
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.theory.checks import Check

IDENTITY_WIDTH = 66  # an identity folds on a narrower terminal, down to this width
REMARKS = (
    "Theorem 2: errors are per image, in units of max(1, ||x||); the largest over images and J is shown.",
    "B.4: sampling layers saves little time, because the state needs the posterior, the prior and z of every layer; "
    "only the sum of the KL has fewer terms.",
)


def checks_report(source: str, checks: Sequence[Check]) -> Group:
    """A table of the identities, a table of the negative controls, and the additional figures."""
    identities = _grid(f"Identities, in float64\n{source}", "error", "tolerance")
    controls = _grid("\nNegative controls: these identities must fail", "differs by", "more than")
    for check in checks:
        table, words = (controls, ("differs", "DOES NOT")) if check.control else (identities, ("holds", "FAILS"))
        verdict = Text(words[0], "green") if check.holds else Text(words[1], "bold red")
        table.add(check.name, check.identity, f"{check.error:.2g}", f"{check.tolerance:g}", verdict)

    figures = dict.fromkeys(f"{check.name}: {_figures(check)}." for check in checks if check.figures)
    return Group(identities, controls, Text("\n" + "\n".join([*figures, *REMARKS, _verdict(checks)])))


def _grid(title: str, error: str, bound: str) -> Grid:
    identity = Column("identity", words=True, fold=IDENTITY_WIDTH)
    columns = [Column("", words=True), identity, Column(error), Column(bound), Column("verdict", words=True)]
    return Grid(title, columns, framed=True)


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
