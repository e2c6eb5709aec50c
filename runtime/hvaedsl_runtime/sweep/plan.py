"""The plan of a sweep: its points, all of them compiled before anything is trained. No torch here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.ir.spec import TrainSpec
from hvaedsl.ir.spec_text import spec_text
from hvaedsl.matching import match_parameters
from hvaedsl.program import CustomParts, Program
from hvaedsl_runtime.evaluate.units import reporting_unit
from hvaedsl_runtime.sweep.axes import Axis, Coordinates, grid

FORMAT: Literal[1] = 1
SLOW_AVERAGE = "HV601"
MAX_PARAMETERS = 100_000_000_000


class Matched(BaseModel):
    """Block counts that were chosen to hold the parameters; `difference` is (reached - target) / target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: int
    difference: float
    encoder: str
    decoder: str


class Point(BaseModel):
    """A point of the sweep. `spec` is its resolved text, whatever seed that says; `activation_bytes`, of a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    values: Mapping[str, str]
    parameters: int
    stochastic_depth: int
    activation_bytes: int
    matched: Matched | None = None
    spec: str

    def program(self, model_name: str, seed: int, part_folders: tuple[Path, ...] = ()) -> Program:
        """The point compiled, with this seed; modules of one's own parts are looked for in `part_folders`."""
        path, sets = f"{model_name}.hvae", {"train.seed": seed}
        return hvaedsl.loads(self.spec, path=path, sets=sets, custom=CustomParts(part_folders))


class SweepPlan(BaseModel):
    """What sweep.json holds: everything that the sweep is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    model: str
    unit: Literal["bits_per_dim", "nats_per_image"]
    dataset: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    part_folders: tuple[Path, ...] = ()  # where modules of one's own parts are looked for
    average_is_slow: bool  # the averaged weights of some point are still its initial ones at the end (HV601)
    points: tuple[Point, ...]

    def runs(self) -> list[tuple[Point, int]]:
        """Every run, in order: all points with the first seed, then all with the second."""
        return [(point, seed) for seed in self.seeds for point in self.points]


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it is asked for. `target` None matches the spec's own parameters, nothing varied."""

    spec: str
    axes: Sequence[Axis]
    seeds: tuple[int, ...]
    lets: Mapping[str, str]
    sets: Mapping[str, str]
    match: bool = False
    target: int | None = None
    custom: CustomParts | None = None  # leave to import one's own parts

    def compile(self, here: Mapping[str, str], lets: Mapping[str, str]) -> Program:
        """The spec with what is fixed, and these overrides."""
        sets = {**self.sets, **here}
        return hvaedsl.load(self.spec, sets=sets, lets={**self.lets, **lets}, custom=self.custom)


def make_plan(request: SweepRequest) -> SweepPlan:
    """Compile every point.

    Raises SpecError with the mistakes of all points, each told once; UsageError for points that cannot be compared,
    and for what the sweep sets itself.
    """
    _check_request(request)
    target = _target(request)
    points: list[Point] = []
    programs: list[Program] = []
    mistakes: dict[tuple[object, ...], tuple[Diagnostic, list[str]]] = {}
    for coordinates in grid(request.axes, alone=_stem(request.spec)):
        try:
            program, point = _point(request, coordinates, target)
        except SpecError as error:
            for item in error.diagnostics:
                key = (item.code, item.message, item.span.source.name, item.span.start, item.span.end)
                mistakes.setdefault(key, (item, []))[1].append(coordinates.name)
            continue
        programs.append(program)
        points.append(point)
    if mistakes:
        raise SpecError([_at_points(item, names) for item, names in mistakes.values()])
    _check_comparable(programs)
    _check_names(points)
    first = programs[0]
    return SweepPlan(
        model=first.name,
        unit=reporting_unit(first.spec).key,
        dataset=first.spec.data.dataset,
        axes=tuple(request.axes),
        seeds=request.seeds,
        part_folders=first.folders,
        average_is_slow=any(item.code == SLOW_AVERAGE for program in programs for item in program.advice),
        points=tuple(points),
    )


def _point(request: SweepRequest, coordinates: Coordinates, target: int | None) -> tuple[Program, Point]:
    def compile_with(sets: Mapping[str, str]) -> Program:
        return request.compile({**coordinates.sets, **sets}, coordinates.lets)

    matched = None
    if target is None:
        program = compile_with({})
    else:
        match = match_parameters(compile_with, target)
        program, model = match.program, match.program.spec.model
        matched = Matched(
            target=target, difference=match.difference, encoder=str(model.encoder), decoder=str(model.decoder)
        )
    training = program.training()
    return program, Point(
        name=coordinates.name,
        values=coordinates.values,
        parameters=program.cost.parameters,
        stochastic_depth=program.cost.stochastic_depth,
        activation_bytes=program.cost.activation_bytes(
            training.batch_size, "bfloat16" if training.precision == "bfloat16" else "float32"
        ),
        matched=matched,
        spec=_without_seed(program),
    )


def _without_seed(program: Program) -> str:
    """The resolved text with the schema's seed: which seeds are trained stands beside the points."""
    train = program.spec.train.model_copy(update={"seed": TrainSpec().seed})
    return spec_text(program.spec.model_copy(update={"train": train}))


def _target(request: SweepRequest) -> int | None:
    if not request.match:
        if request.target is not None:
            raise UsageError("--target goes with --match-parameters")
        return None
    return request.target if request.target is not None else request.compile({}, {}).cost.parameters


def _check_request(request: SweepRequest) -> None:
    varied = {axis.name for axis in request.axes if axis.kind == "set"}
    if "train.seed" in varied | set(request.sets):
        raise UsageError("a sweep sets train.seed itself: name the seeds with --seeds")
    for name in sorted(varied & set(request.sets)):
        raise UsageError(f"{name} is varied, and set to {request.sets[name]}")
    if request.match and {"model.encoder", "model.decoder"} & varied:
        raise UsageError("--match-parameters chooses block counts: vary something other than the block lists")


def _check_comparable(programs: Sequence[Program]) -> None:
    sets = {program.spec.data.dataset for program in programs}
    units = {reporting_unit(program.spec) for program in programs}
    if len(sets) > 1 or len(units) > 1:
        what = "data sets" if len(sets) > 1 else "units"
        raise UsageError(f"the points have different {what}, so that their likelihoods say nothing of each other")


def _check_names(points: Sequence[Point]) -> None:
    """Folders are told apart where capitals are not."""
    seen: dict[str, str] = {}
    for point in points:
        other = seen.setdefault(point.name.lower(), point.name)
        if other is not point.name:
            raise UsageError(f"the points {other} and {point.name} would share a folder")


def _at_points(item: Diagnostic, names: Sequence[str]) -> Diagnostic:
    told = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return replace(item, notes=(*item.notes, f"at the point{'s' * (len(names) > 1)} {told} of the sweep"))


def _stem(spec: str) -> str:
    return spec.replace("\\", "/").rpartition("/")[2].removesuffix(".hvae")


def parameters_of(text: str) -> int:
    """A number of parameters such as `39M`, `107k` or `39145700`. Raises UsageError for others."""
    found = re.fullmatch(r"([0-9_]{1,15}(?:\.[0-9]{1,9})?)([kM]?)", text.strip())
    count = float(found[1].replace("_", "") or "0") * {"": 1, "k": 1e3, "M": 1e6}[found[2]] if found else 0.0
    if not 1 <= count <= MAX_PARAMETERS:
        raise UsageError(f"--target takes a number of parameters such as 39M, not `{text}`")
    return round(count)
