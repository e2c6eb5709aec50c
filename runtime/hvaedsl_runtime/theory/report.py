"""The checks as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hvaedsl_runtime.strict_json import json_text
from hvaedsl_runtime.theory.checks import Check

WIDTH = 100  # of the longest row: a narrower terminal wraps lines, and no figure is cut
REMARK = (
    "B.4 saves little time: the state needs every layer's posterior, prior and z; only the sum of the KL is shorter."
)


def checks_report(source: str, checks: Sequence[Check]) -> Group:
    """The identities with error, tolerance and verdict; apart from them the negative controls, then the figures."""
    identities = Table(title=f"Identities, in float64\n{source}", title_justify="left")
    identities.add_column("")
    identities.add_column("identity", overflow="fold")
    for heading in ("error", "tolerance"):
        identities.add_column(heading, justify="right", no_wrap=True)
    identities.add_column("", no_wrap=True)
    controls = Table(title="\nNegative controls: these identities must not hold", title_justify="left")
    for heading in ("", "must fail", "", ""):
        controls.add_column(heading, overflow="fold")
    lines: list[str] = []
    for check in checks:
        if check.control:
            verdict = "[green]differs[/]" if check.holds else "[bold red]DOES NOT DIFFER[/]"
            distance = f"must differ by more than {check.tolerance:.0e}; differs by {check.error:.2g}"
            controls.add_row(check.name, Text(check.identity), distance, verdict)
        else:
            verdict = "[green]holds[/]" if check.holds else "[bold red]FAILS[/]"
            identities.add_row(
                check.name, Text(check.identity), f"{check.error:.1e}", f"{check.tolerance:.0e}", verdict
            )
        if check.figures:
            figures = ", ".join(f"{what} {value:.4g}" for what, value in check.figures.items())
            lines.append(f"{check.name}, {check.identity}: {figures}")
    return Group(identities, controls, Text("\n" + "\n".join([*lines, REMARK, *_failures(checks)])))


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


def _failures(checks: Sequence[Check]) -> list[str]:
    failed = [check for check in checks if not check.holds]
    if not failed:
        return [f"All {len(checks)} hold."]
    return [f"{len(failed)} of {len(checks)} fail: " + "; ".join(f"{check.name}, {check.identity}" for check in failed)]
