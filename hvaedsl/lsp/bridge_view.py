"""The picture of the bridge beside the text."""

from __future__ import annotations

from typing import TypedDict

from hvaedsl.errors import UsageError
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
    name = program.name if program is not None else analysed.source.name
    if program is None:
        return BridgeView(name=name, svg=None, current=False, message="no picture yet: the spec has errors")
    try:
        svg = render(program.dot(), "svg").decode()
    except UsageError as error:
        return BridgeView(name=name, svg=None, current=current, message=str(error))
    message = "" if current else "the spec has errors: this is the picture of the last text without"
    return BridgeView(name=name, svg=svg, current=current, message=message)
