"""DOT text with all positions fixed, which `dot -Tsvg` and `neato -n2` draw without a layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import hypot

from hvaedsl.diagnostics.printable import printable
from hvaedsl.ir.bridge import Bridge
from hvaedsl.render.edges import EDGE_PT
from hvaedsl.render.geometry import Box, Edge, Lane, Layout, Point
from hvaedsl.render.labels import lane_text, text_width
from hvaedsl.render.layout import LANE_LABEL_LEFT, LANE_PT, lay_out
from hvaedsl.render.legend import LEGEND_PT, SWATCH_GAP, SWATCH_WIDTH, Entry, legend, legend_height
from hvaedsl.render.stacks import LINE_PT, TITLE_PT
from hvaedsl.render.style import FAINT_TEXT, FONT, LANE, STROKES, TEXT, Mark, Paint, marked, paint_of
from hvaedsl.render.switches import switch_words

_NAME_PT = 16.0
_CAPTION_PT = 10.0
_POINTS_PER_INCH = 72
_ARROW_SIZE = 0.6
_ARROW_LENGTH = 10 * _ARROW_SIZE  # Graphviz draws a normal arrowhead ten points long
_CORNER = 5.0
_LEGEND_GAP = 12.0
_BETWEEN = 48.0  # distance of two pictures


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A bridge to draw; `marks` marks the operations that differ from another bridge."""

    bridge: Bridge
    name: str
    caption: str = ""
    marks: Mapping[int, Mark] = field(default_factory=dict)


def dot_source(bridge: Bridge, *, name: str, caption: str = "") -> str:
    """Return the picture of a bridge as DOT text, with `name` as title, `caption`, and the architecture switches.

    All lengths are in points. Graphviz's programs and libraries draw the same picture from it.
    """
    return _document(name, _drawn(Picture(bridge=bridge, name=name, caption=caption))[0])


def dot_side_by_side(left: Picture, right: Picture) -> str:
    """Return two pictures side by side as DOT text, with their titles on one line."""
    first, width = _drawn(left, key="left_")
    second, _ = _drawn(right, key="right_", shift=width + _BETWEEN)
    return _document(f"{left.name} and {right.name}", [*first, *second])


def _document(name: str, lines: Sequence[str]) -> str:
    head = [
        f"digraph {_quote(name)} {{",
        f'  graph [layout=nop2, outputorder=nodesfirst, pad=0.15, bgcolor=white, fontname="{FONT}"];',
        f'  node [shape=box, fixedsize=true, margin=0, fontname="{FONT}", fontcolor="{TEXT}", label=""];',
        f'  edge [arrowsize={_ARROW_SIZE}, fontname="{FONT}", fontsize={EDGE_PT:g}, fontcolor="{FAINT_TEXT}"];',
    ]
    return "\n".join([*head, *lines, "}"]) + "\n"


def _drawn(picture: Picture, *, key: str = "", shift: float = 0.0) -> tuple[list[str], float]:
    """Return the statements of a picture and its width; `key` prefixes the node names, `shift` moves it to the right.

    With a key, height 0 is at the title, which is common to pictures side by side; otherwise it is at the legend.
    """
    bridge, marks = picture.bridge, picture.marks
    layout = lay_out(bridge)
    entries = legend(layout, set(marks.values()))

    # The title and captions are above the layout, the legend below it.
    captions = [*([picture.caption] if picture.caption else []), *switch_words(bridge)]
    header = _NAME_PT * 2 + _CAPTION_PT * 1.8 * len(captions)
    bottom = layout.height + _LEGEND_GAP + legend_height(entries)

    sheet = _Sheet(-header if key else bottom, left=shift, key=key)
    lines = [
        *_header(sheet, picture.name, captions, header),
        *(line for lane in layout.lanes for line in _lane(sheet, lane, layout.width)),
        *(_box(sheet, box, layout, marks) for box in layout.boxes),
        *(_edge(sheet, edge) for edge in layout.edges),
        *(line for i, entry in enumerate(entries) for line in _entry(sheet, i, entry, layout.height + _LEGEND_GAP)),
    ]
    return lines, layout.width


class _Sheet:
    """Converts the layout's y, which grows downwards, to Graphviz's, which grows upwards."""

    def __init__(self, height: float, *, left: float, key: str) -> None:
        self.height, self.left, self.key = height, left, key

    def point(self, point: Point) -> str:
        return f"{_number(self.left + point[0])},{_number(self.height - point[1])}"

    def node(self, key: str, center: Point, size: Point, attributes: str) -> str:
        width, height = (_number(length / _POINTS_PER_INCH) for length in size)
        return f'  {self.key}{key} [pos="{self.point(center)}!", width={width}, height={height}, {attributes}];'

    def text(self, key: str, left: Point, label: str, size: float, *, bold: bool = False, color: str = TEXT) -> str:
        """A line of text that starts at `left` and is vertically centered there.

        Its node may grow, because a name may need a font of the system whose width is unknown.
        """
        width = text_width(printable(label), size, bold=bold)
        markup = _table([_line(label, bold=bold)], width=int(width))
        attributes = f'shape=plaintext, fixedsize=false, fontsize={size:g}, fontcolor="{color}", label=<{markup}>'
        return self.node(key, (left[0] + width / 2, left[1]), (width + 6, size * 1.7), attributes)


def _header(sheet: _Sheet, name: str, captions: Sequence[str], height: float) -> Iterator[str]:
    top = -height
    yield sheet.text("title", (0.0, top + _NAME_PT * 0.7), name, _NAME_PT, bold=True)
    for i, caption in enumerate(captions):
        key, below = f"caption{i or ''}", len(captions) - i
        yield sheet.text(key, (0.0, -_CAPTION_PT * 1.8 * below), caption, _CAPTION_PT, color=FAINT_TEXT)


def _lane(sheet: _Sheet, lane: Lane, width: float) -> Iterator[str]:
    middle, height = (lane.top + lane.bottom) / 2, lane.bottom - lane.top
    paint = f'style="filled,rounded", fillcolor="{LANE}", color="{LANE}"'
    yield sheet.node(f"lane{lane.resolution}", (width / 2, middle), (width, height), paint)
    size, channels = lane_text(lane.size, lane.channels)
    r, left = lane.resolution, LANE_LABEL_LEFT
    yield sheet.text(f"resolution{r}", (left, middle - 8), size, LANE_PT, bold=True)
    yield sheet.text(f"channels{r}", (left, middle + 9), channels, LINE_PT, color=FAINT_TEXT)


def _box(sheet: _Sheet, box: Box, layout: Layout, marks: Mapping[int, Mark]) -> str:
    paint = paint_of(box, layout.recurring)
    mark = next((marks[i] for i in box.operations if i in marks), None)
    if mark is not None:
        paint = marked(paint, mark)
    title = f'<font point-size="{TITLE_PT:g}">{_line(box.title, bold=True)}</font>' if box.title else ""
    label = _table([_line(line) for line in box.lines], title=title)
    attributes = f"{_fill(paint)}, fontsize={LINE_PT:g}, label=<{label}>"
    return sheet.node(box.key, (box.x, box.y), (box.width, box.height), attributes)


def _fill(paint: Paint) -> str:
    width = f", penwidth={paint.border_width:g}" if paint.border_width != 1 else ""
    return f'style="filled,rounded", fillcolor="{paint.fill}", color="{paint.border}"{width}'


def _edge(sheet: _Sheet, edge: Edge) -> str:
    stroke = STROKES[edge.kind]
    attributes = f'pos="{_spline(sheet, edge.points)}", color="{stroke.color}", penwidth={stroke.width:g}'
    if stroke.dashed:
        attributes += ", style=dashed"
    if edge.label_at is not None:
        attributes += f', label=<{_line(edge.label)}>, lp="{sheet.point(edge.label_at)}"'
    return f"  {sheet.key}{edge.source} -> {sheet.key}{edge.target} [{attributes}];"


def _entry(sheet: _Sheet, index: int, entry: Entry, top: float) -> Iterator[str]:
    middle = (entry.x + SWATCH_WIDTH / 2, top + entry.y)
    if isinstance(entry.sign, Paint):
        yield sheet.node(f"sign{index}", middle, (SWATCH_WIDTH, 9.0), _fill(entry.sign))
    else:
        stroke = f'style=filled, penwidth=0, fillcolor="{entry.sign.color}"'
        yield sheet.node(f"sign{index}", middle, (SWATCH_WIDTH, 1.5), stroke)
    left = (entry.x + SWATCH_WIDTH + SWATCH_GAP, middle[1])
    yield sheet.text(f"meaning{index}", left, entry.meaning, LEGEND_PT, color=FAINT_TEXT)


def _spline(sheet: _Sheet, points: tuple[Point, ...]) -> str:
    """A polyline with rounded corners as a Graphviz spline: tip, start, then three points per cubic piece."""
    tip = points[-1]
    path = (*points[:-1], _towards(tip, points[-2], _ARROW_LENGTH))
    pieces = [path[0]]
    for before, corner, after in zip(path, path[1:], path[2:], strict=False):
        radius = min(_CORNER, _length(before, corner) / 2, _length(corner, after) / 2)
        entry, leave = _towards(corner, before, radius), _towards(corner, after, radius)
        pieces += [pieces[-1], entry, entry, corner, corner, leave]
    pieces += [pieces[-1], path[-1], path[-1]]
    return f"e,{sheet.point(tip)} " + " ".join(map(sheet.point, pieces))


def _length(start: Point, end: Point) -> float:
    return hypot(end[0] - start[0], end[1] - start[1])


def _towards(start: Point, end: Point, distance: float) -> Point:
    share = distance / _length(start, end)
    return (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))


def _line(text: str, *, bold: bool = False) -> str:
    """A line of text as Graphviz markup; characters that XML forbids are escaped as Python does it."""
    shown = escape(printable(text))
    return f"<b>{shown}</b>" if bold and shown else shown  # an empty tag is an error of Graphviz


def _table(rows: Sequence[str], *, title: str = "", width: int = 0) -> str:
    """Lines of markup as a table: centered, or left-aligned with a minimum width."""
    wide, align = (f' width="{width}"', "left") if width else ("", "center")
    head = f'<tr><td cellpadding="2">{title}</td></tr>' if title else ""
    cells = "".join(f'<tr><td align="{align}">{row}</td></tr>' for row in rows)
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="1"{wide}>{head}{cells}</table>'


def _quote(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
