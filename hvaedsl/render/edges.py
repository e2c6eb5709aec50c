"""Routes of the arrows: orthogonal polylines that do not cross boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hvaedsl.ir.bridge import Bridge, MixIn, Pool, TopDownBlock
from hvaedsl.render.geometry import Box, Edge, EdgeKind, Lane, Point, is_clear
from hvaedsl.render.labels import mix_in_label, pool_label, text_width
from hvaedsl.render.runs import ENCODER_ROLES, Run

EDGE_PT = 8.0
_BEFORE_COLUMN = 20.0  # distance from a column of the vertical line that leads to it
_STUB = 9.0  # distance from a box at which an edge turns
_SKIP_ROW = 4.0  # distance below the upper border of a lane
_BUS = 26.0  # distance to the left of the decoder
_APART = 7.0  # distance of parallel skip edges
_TURN = 0.75  # share of the gap between lanes at which an edge changes its column, below its label


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The placed boxes, with the positions that the routes need."""

    bridge: Bridge
    runs: dict[Run, Box]  # in the order of computation
    lanes: tuple[Lane, ...]
    image: Box
    likelihood: Box
    decoder_left: float
    right: float

    def lane(self, resolution: int) -> Lane:
        """The lane of a resolution."""
        return next(lane for lane in self.lanes if lane.resolution == resolution)

    def gap_below(self, lane: Lane, share: float) -> float:
        """The height at a share of the gap below a lane."""
        i = self.lanes.index(lane)
        below = self.lanes[i + 1].top if i + 1 < len(self.lanes) else lane.bottom
        return lane.bottom + share * (below - lane.bottom)


def route(scene: Scene) -> tuple[Edge, ...]:
    """Return all edges, skip edges first, so that the flow is drawn over them."""
    ordered = list(scene.runs.values())
    stem, head = ordered[0], ordered[-1]
    return (
        *_skips(scene),
        _edge(scene.image, stem, "flow", (scene.image.bottom, stem.top)),
        *_downwards(scene),
        *_upwards(scene),
        *_mix_ins(scene),
        _edge(head, scene.likelihood, "flow", (head.top, scene.likelihood.bottom)),
    )


def _edge(
    source: Box, target: Box, kind: EdgeKind, points: Sequence[Point], label: str = "", at: Point | None = None
) -> Edge:
    return Edge(source=source.key, target=target.key, kind=kind, points=_simplify(points), label=label, label_at=at)


def _downwards(scene: Scene) -> Iterator[Edge]:
    """Edges of the encoder from run to run, with a pooling wherever the lane changes."""
    encoder = [(run, box) for run, box in scene.runs.items() if run.role in ENCODER_ROLES]
    for (run, source), (following, target) in pairwise(encoder):
        if run.resolution == following.resolution:
            yield _edge(source, target, "flow", _wrap(source, target))
            continue
        pool = _pool_between(scene.bridge, run, following)
        lane = scene.lane(run.resolution)
        turn = scene.gap_below(lane, _TURN)
        points = (source.bottom, (source.x, turn), (target.x, turn), target.top)
        label = pool_label(pool)
        yield _edge(source, target, "pool", points, label, _beside(source.x, scene.gap_below(lane, 0.38), label))


def _pool_between(bridge: Bridge, run: Run, following: Run) -> Pool:
    candidates = (bridge.operations[run.operations[-1]], bridge.operations[following.operations[0]])
    return next(op for op in candidates if isinstance(op, Pool))


def _upwards(scene: Scene) -> Iterator[Edge]:
    """Edges of the decoder within each lane: from the initial state and from run to run."""
    latest: dict[int, Box] = {}
    for run, box in scene.runs.items():
        if run.role in ENCODER_ROLES:
            continue
        before = latest.get(run.resolution)
        latest[run.resolution] = box
        if before is None:
            continue
        if before.role == "state":
            yield _edge(before, box, "start", (before.left, box.right))
        else:
            yield _edge(before, box, "flow", _wrap(before, box))


def _wrap(source: Box, target: Box) -> tuple[Point, ...]:
    """A straight line within a column; otherwise around to the start of the next column on the right."""
    climbs = source.role in ("mix_in", "top_down")
    start, end = (source.top, target.bottom) if climbs else (source.bottom, target.top)
    if source.x == target.x:
        return (start, end)
    step = -_STUB if climbs else _STUB
    between = target.left[0] - _BEFORE_COLUMN
    return (
        start,
        (start[0], start[1] + step),
        (between, start[1] + step),
        (between, end[1] - step),
        (end[0], end[1] - step),
        end,
    )


def _mix_ins(scene: Scene) -> Iterator[Edge]:
    """Edges from the last run at the source resolution, by the shortest route that crosses no box."""
    boxes = tuple(scene.runs.values())
    latest: dict[int, Box] = {}
    outer = scene.right
    for run, target in scene.runs.items():
        for i in run.operations:
            op = scene.bridge.operations[i]
            if isinstance(op, MixIn):
                source, label = latest[op.source], mix_in_label(op)
                below = scene.lane(op.resolution)
                turn, height = scene.gap_below(below, _TURN), scene.gap_below(below, 0.38)
                points: tuple[Point, ...] = (source.top, (source.x, turn), (target.x, turn), target.bottom)
                at = _beside(target.x, height, label)

                # If a box blocks it, the edge goes around all boxes on the right.
                if not is_clear(points, boxes):
                    outer += _STUB
                    points = _around(source, target, outer)
                    at = (scene.right - text_width(label, EDGE_PT) / 2, points[-2][1] - EDGE_PT)
                yield _edge(source, target, "mix_in", points, label, at)
        if run.role in ("mix_in", "top_down"):
            latest[run.resolution] = target


def _around(source: Box, target: Box, outer: float) -> tuple[Point, ...]:
    leave, arrive = source.top[1] - _STUB, target.bottom[1] + _STUB
    return (source.top, (source.x, leave), (outer, leave), (outer, arrive), (target.x, arrive), target.bottom)


def _skips(scene: Scene) -> Iterator[Edge]:
    """Edges from each activation to the boxes that read it; edges of one source share a vertical line."""
    owner = {i: box for run, box in scene.runs.items() for i in run.operations}
    reads: dict[tuple[str, str], set[int]] = defaultdict(set)
    ends: dict[tuple[str, str], tuple[Box, Box]] = {}
    for i, op in enumerate(scene.bridge.operations):
        if isinstance(op, TopDownBlock) and op.reads is not None:
            source, target = owner[op.reads], owner[i]
            reads[source.key, target.key].add(op.reads)
            ends[source.key, target.key] = (source, target)

    # Each source gets its own vertical line per lane, left of the decoder.
    buses: dict[int, list[str]] = defaultdict(list)
    for pair, (source, target) in ends.items():
        assert target.resolution is not None
        lane = scene.lane(target.resolution)
        known = buses[lane.resolution]
        if source.key not in known:
            known.append(source.key)
        bus = scene.decoder_left - _BUS - _APART * known.index(source.key)

        count = len(reads[pair])
        label = f"{count} activations" if count > 1 else ""
        at = (scene.decoder_left - _BUS - text_width(label, EDGE_PT) / 2, target.y - EDGE_PT) if label else None
        yield _edge(source, target, "skip", _skip_points(scene, source, target, lane, bus), label, at)


def _skip_points(scene: Scene, source: Box, target: Box, lane: Lane, bus: float) -> tuple[Point, ...]:
    row = lane.top + _SKIP_ROW
    boxes = tuple(scene.runs.values())
    points: tuple[Point, ...] = (source.right, (bus, source.y))
    if not is_clear(points, boxes):
        turn = source.right[0] + _STUB
        points = (source.right, (turn, source.y), (turn, row), (bus, row))
    approach: tuple[Point, ...] = ((bus, target.y), target.left)
    if not is_clear(approach, boxes):
        turn = target.left[0] - _STUB
        approach = ((bus, row), (turn, row), (turn, target.y), target.left)
    return points + approach


def _beside(x: float, y: float, label: str) -> Point:
    """The center of a label just to the right of a vertical line."""
    return (x + 5 + text_width(label, EDGE_PT) / 2, y)


def _simplify(points: Sequence[Point]) -> tuple[Point, ...]:
    """Remove repeated points and points in the middle of a straight line."""
    distinct = [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]
    kept = distinct[:1]
    for point, following in pairwise(distinct[1:]):
        before = kept[-1]
        if not (before[0] == point[0] == following[0] or before[1] == point[1] == following[1]):
            kept.append(point)
    return (*kept, distinct[-1])
