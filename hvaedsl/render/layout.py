"""The layout of a bridge: a lane per resolution, the encoder downwards on the left, the decoder upwards on the right.

Within a lane, the runs of the encoder are placed from top to bottom in the order of computation, those of the decoder
from bottom to top. A tall stack is split into columns; the encoder's last column and the decoder's first one are next
to the middle, where the skip edges are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hvaedsl.ir.bridge import Bridge, Head, Pool
from hvaedsl.render import stacks
from hvaedsl.render.edges import Scene, route
from hvaedsl.render.geometry import Box, Lane, Layout
from hvaedsl.render.labels import image_text, lane_text, likelihood_text, text_width
from hvaedsl.render.runs import ENCODER_ROLES, Run, find_runs, recurring_groups

LANE_PT = 13.0
LANE_LABEL_LEFT = 10.0
_LANE_LABEL_GAP = 16.0
LANE_PADDING = 16.0
LANE_GAP = 26.0
MIDDLE = 96.0  # between encoder and decoder
_NOTE_GAP = 20.0
_RIGHT_MARGIN = 12.0


def lay_out(bridge: Bridge) -> Layout:
    """Place every operation of the bridge in a box, and route the edges between the boxes."""
    runs = find_runs(bridge)
    sizes = stacks.measure(runs, bridge)
    image = stacks.note("image", "image", image_text(bridge))
    likelihood = stacks.note("likelihood", "likelihood", likelihood_text(bridge))
    lanes, boxes, decoder_left = _place(runs, sizes, bridge, top=image.height + _NOTE_GAP)
    by_run = dict(zip(runs, boxes, strict=True))

    stem, head = boxes[0], boxes[-1]
    image = replace(image, x=stem.x, y=image.height / 2)
    likelihood = replace(likelihood, x=head.x, y=likelihood.height / 2)
    boxes = (image, *boxes, likelihood)

    right = max(box.right[0] for box in boxes)
    scene = Scene(
        bridge=bridge,
        runs=by_run,
        lanes=lanes,
        image=image,
        likelihood=likelihood,
        decoder_left=decoder_left,
        right=right,
    )
    edges = route(scene)
    width = max(right, *(x for edge in edges for x, _ in edge.points)) + _RIGHT_MARGIN
    return Layout(
        width=width,
        height=lanes[-1].bottom,
        lanes=lanes,
        boxes=boxes,
        edges=edges,
        recurring=recurring_groups(runs),
    )


def _place(
    runs: Sequence[Run], sizes: dict[Run, Box], bridge: Bridge, *, top: float
) -> tuple[tuple[Lane, ...], tuple[Box, ...], float]:
    """Return the lanes, highest resolution first, the boxes in the order of the runs, and the decoder's left edge."""
    resolutions = sorted({run.resolution for run in runs}, reverse=True)
    down = {
        r: stacks.columns_of([sizes[run] for run in runs if run.resolution == r and _descends(run)])
        for r in resolutions
    }
    up = {
        r: stacks.columns_of([sizes[run] for run in runs if run.resolution == r and _climbs(run)]) for r in resolutions
    }

    # The widest encoder stack sets where the encoder ends and the decoder starts, in all lanes alike.
    width = max(box.width for run, box in sizes.items() if run.role != "state")
    broken = max(len(columns) for columns in down.values())
    channels = {r: _channels(bridge, r) for r in resolutions}
    encoder_right = _lane_label_width(bridge, channels) + broken * (width + stacks.CHANNEL) - stacks.CHANNEL
    decoder_left = encoder_right + MIDDLE
    starts = {run.resolution: sizes[run] for run in runs if run.role == "state"}
    slot = max((box.width for box in starts.values()), default=0.0) + stacks.CHANNEL

    lanes: list[Lane] = []
    placed: dict[str, Box] = {}
    for r in resolutions:
        inside = top + LANE_PADDING
        height = max(stacks.stack_height(down[r]), stacks.stack_height(up[r]))
        lanes.append(
            Lane(
                resolution=r,
                size=bridge.head.size_at(r),
                channels=channels[r],
                top=top,
                bottom=inside + height + LANE_PADDING,
            )
        )
        lane = stacks.place_encoder(down[r], top=inside, right=encoder_right, width=width)
        climbing = stacks.place_decoder(up[r], top=inside, left=decoder_left, width=width, slot=slot)
        if r in starts:
            first = climbing[0]
            x = first.x + width / 2 + stacks.CHANNEL / 2 + starts[r].width / 2
            lane.append(replace(starts[r], x=x, y=first.y))
        placed |= {box.key: box for box in (*lane, *climbing)}
        top = lanes[-1].bottom + LANE_GAP
    return tuple(lanes), tuple(placed[sizes[run].key] for run in runs), decoder_left


def _descends(run: Run) -> bool:
    return run.role in ENCODER_ROLES


def _climbs(run: Run) -> bool:
    return run.role not in ENCODER_ROLES and run.role != "state"


def _lane_label_width(bridge: Bridge, channels: Mapping[int, tuple[int, ...]]) -> float:
    texts = [lane_text(bridge.head.size_at(r), counts) for r, counts in channels.items()]
    widths = (max(text_width(size, LANE_PT, bold=True), text_width(below, stacks.LINE_PT)) for size, below in texts)
    return LANE_LABEL_LEFT + max(widths) + _LANE_LABEL_GAP


def _channels(bridge: Bridge, resolution: int) -> tuple[int, ...]:
    """The widths of the states at a resolution; more than one only if encoder and decoder differ."""
    states = (op for op in bridge.operations if not isinstance(op, Pool | Head) and op.resolution == resolution)
    pooled = (op for op in bridge.operations if isinstance(op, Pool) and op.to == resolution)
    return tuple(sorted({op.channels for op in (*states, *pooled)}))
