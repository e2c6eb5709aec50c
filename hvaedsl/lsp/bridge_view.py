"""The picture of the bridge that the editor shows beside the text."""

from __future__ import annotations

from pathlib import PurePath
from typing import TypedDict

from hvaedsl.diagnostics.diagnostic import Severity
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.render.output import render


class BridgeView(TypedDict):
    """Result of the command: the picture, or the reason why there is none."""

    name: str
    svg: str | None
    current: bool  # False if the text has errors and the picture is of the last version without errors
    message: str  # why there is no picture, or that it is an older one; otherwise empty


def bridge_view(analyzed: AnalyzedText) -> BridgeView:
    """Draw the bridge of a text as SVG, or of its last version that compiled."""
    program = analyzed.last_good
    current = analyzed.program is not None
    name = program.name if program is not None else PurePath(analyzed.source.name).stem
    if program is None:
        return BridgeView(name=name, svg=None, current=False, message=f"no picture yet: {_errors(analyzed)}")
    try:
        svg = render(program.dot(), "svg").decode()
    except UsageError as error:
        return BridgeView(name=name, svg=None, current=current, message=str(error))
    message = "" if current else f"showing the last version without errors; {_errors(analyzed)}"
    return BridgeView(name=name, svg=svg, current=current, message=message)


def _errors(analyzed: AnalyzedText) -> str:
    """The number of errors and the first one."""
    found = [item for item in analyzed.diagnostics if item.severity is Severity.ERROR]
    if not found:
        return f"a bug in hvaedsl: {analyzed.bug}"
    count = "one error" if len(found) == 1 else f"{len(found):,} errors, the first"
    return f"{count} in {found[0].span.source.name}, line {found[0].span.line}: {found[0].message}"
