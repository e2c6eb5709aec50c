"""The picture of the bridge beside the text."""

from __future__ import annotations

from pathlib import PurePath
from typing import TypedDict

from hvaedsl.diagnostics.diagnostic import Severity
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.render.output import render


class BridgeView(TypedDict):
    """What the command gives: the picture, or why there is none."""

    name: str
    svg: str | None
    current: bool  # False where the text has errors and the picture is of the last text without
    message: str  # in words: why there is no picture, or that it is an older one; else empty


def bridge_view(analysed: Analysed) -> BridgeView:
    """The bridge of a text as SVG; of the last one that compiled where this one does not."""
    program = analysed.last_good
    current = analysed.program is not None
    name = program.name if program is not None else PurePath(analysed.source.name).stem
    if program is None:
        return BridgeView(name=name, svg=None, current=False, message=f"no picture yet: {_errors(analysed)}")
    try:
        svg = render(program.dot(), "svg").decode()
    except UsageError as error:
        return BridgeView(name=name, svg=None, current=current, message=str(error))
    message = "" if current else f"the picture of the last text without an error; {_errors(analysed)}"
    return BridgeView(name=name, svg=svg, current=current, message=message)


def _errors(analysed: Analysed) -> str:
    """How many errors there are, and the first of them."""
    found = [item for item in analysed.diagnostics if item.severity is Severity.ERROR]
    if not found:
        return f"a bug in hvaedsl: {analysed.bug}"
    count = "one error" if len(found) == 1 else f"{len(found):,} errors, the first"
    return f"{count} in {found[0].span.source.name}, line {found[0].span.line}: {found[0].message}"
