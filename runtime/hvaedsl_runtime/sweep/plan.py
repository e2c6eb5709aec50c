"""The plan of a sweep: its points, compiled before anything is trained. This module does not import torch."""

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
from hvaedsl.ir.spec_text import spec_text
from hvaedsl.ir.training import TrainSpec
from hvaedsl.matching import match_parameters
from hvaedsl.program import CustomParts, Program
from hvaedsl_runtime.evaluate.units import UnitKey, reporting_unit
from hvaedsl_runtime.sweep.axes import Axis, Coordinates, grid

FORMAT: Literal[1] = 1
SLOW_AVERAGE = "HV601"
MAX_PARAMETERS = 100_000_000_000


class Matched(BaseModel):
    """The block counts chosen to match a number of parameters; `difference` is (parameters - target) / target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: int
    difference: float
    encoder: str
    decoder: str


class Point(BaseModel):
    """A point of the sweep. `spec` is its resolved text with the default seed; `activation_bytes` is for one batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    values: Mapping[str, str]
    parameters: int
    stochastic_depth: int
    activation_bytes: int
    matched: Matched | None = None
    spec: str

    def program(self, model_name: str, seed: int, part_folders: tuple[Path, ...] = ()) -> Program:
        """Compile the point with this seed; modules of custom parts are searched for in `part_folders`."""
        path, sets = f"{model_name}.hvae", {"train.seed": seed}
        return hvaedsl.loads(self.spec, path=path, sets=sets, custom=CustomParts(part_folders))


class SweepPlan(BaseModel):
    """The content of sweep.json: everything that defines the sweep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    model: str
    unit: UnitKey
    dataset: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    part_folders: tuple[Path, ...] = ()  # searched for modules of custom parts
    average_is_slow: bool  # at the end of some run, its averaged weights are still close to the initial ones (HV601)
    points: tuple[Point, ...]

    def runs(self) -> list[tuple[Point, int]]:
        """All runs in order: every point with the first seed, then every point with the second."""
        return [(point, seed) for seed in self.seeds for point in self.points]


@dataclass(frozen=True)
class SweepRequest:
    """The options of a sweep. If `target` is None, `match` means the parameters of the spec without variations."""

    spec: str
    axes: Sequence[Axis]
    seeds: tuple[int, ...]
    lets: Mapping[str, str]
    sets: Mapping[str, str]
    match: bool = False
    target: int | None = None
    custom: CustomParts | None = None  # permission to import custom parts

    def compile(self, sets: Mapping[str, str], lets: Mapping[str, str]) -> Program:
        """Compile the spec with the fixed keys and constants and these. Raises SpecError, UsageError."""
        return hvaedsl.load(self.spec, sets={**self.sets, **sets}, lets={**self.lets, **lets}, custom=self.custom)


def make_plan(request: SweepRequest) -> SweepPlan:
    """Compile every point.

    Raises SpecError with the errors of all points, without duplicates; UsageError if points cannot be compared, and for
    keys that the sweep sets itself.
    """
    _check_request(request)
    target = _target(request)

    # An error that several points have is reported once, with the names of these points.
    points: list[Point] = []
    programs: list[Program] = []
    errors: dict[tuple[object, ...], tuple[Diagnostic, list[str]]] = {}
    for coordinates in grid(request.axes, alone=_stem(request.spec)):
        try:
            program, point = _point(request, coordinates, target)
        except SpecError as error:
            for item in error.diagnostics:
                key = (item.code, item.message, item.span.source.name, item.span.start, item.span.end)
                errors.setdefault(key, (item, []))[1].append(coordinates.name)
            continue
        programs.append(program)
        points.append(point)
    if errors:
        raise SpecError([_at_points(item, names) for item, names in errors.values()])

    _check_comparable(programs)
    _check_names(points)
    _check_distinct(points)
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
            training.images_at_once or training.batch_size, training.activation_precision
        ),
        matched=matched,
        spec=_without_seed(program),
    )


def _without_seed(program: Program) -> str:
    """The resolved text with the default seed; the plan has the seeds of the sweep."""
    train = program.spec.train.model_copy(update={"seed": TrainSpec().seed})
    return spec_text(program.spec.model_copy(update={"train": train}))


def _target(request: SweepRequest) -> int | None:
    if not request.match:
        if request.target is not None:
            raise UsageError("--target needs --match-parameters; add it, or remove --target")
        return None
    return request.target if request.target is not None else request.compile({}, {}).cost.parameters


def _check_request(request: SweepRequest) -> None:
    varied = {axis.name for axis in request.axes if axis.kind == "set"}
    if "train.seed" in varied | set(request.sets):
        raise UsageError("a sweep sets train.seed itself; use --seeds to choose the seeds")
    for name in sorted(varied & set(request.sets)):
        raise UsageError(f"{name} is varied, but also set to {request.sets[name]}; remove one of them")
    if request.match and {"model.encoder", "model.decoder"} & varied:
        raise UsageError(
            "--match-parameters changes the block counts, so model.encoder and model.decoder cannot be varied"
        )


def _check_comparable(programs: Sequence[Program]) -> None:
    datasets = {program.spec.data.dataset for program in programs}
    if len(datasets) > 1:
        raise UsageError(f"the points have different datasets ({', '.join(sorted(datasets))}); they cannot be compared")

    # A likelihood per image also depends on the size of the images.
    units = {reporting_unit(program.spec) for program in programs}
    if len(units) > 1:
        labels = sorted({unit.label for unit in units})
        difference = f"units ({', '.join(labels)})" if len(labels) > 1 else "image sizes"
        raise UsageError(f"the points have different {difference}; their likelihoods cannot be compared")


def _check_names(points: Sequence[Point]) -> None:
    """Raise UsageError if names differ only in case: some file systems ignore it."""
    seen: dict[str, str] = {}
    for point in points:
        other = seen.setdefault(point.name.lower(), point.name)
        if other is not point.name:
            raise UsageError(f"the points {other} and {point.name} differ only in case, so they would share a folder")


def _check_distinct(points: Sequence[Point]) -> None:
    """Raise UsageError if two points are the same spec: `latent=16` and `latent={other: 16}`, say."""
    seen: dict[str, str] = {}
    for point in points:
        other = seen.setdefault(point.spec, point.name)
        if other != point.name:
            raise UsageError(
                f"the points {other} and {point.name} are the same model with the same training",
                help="remove one of the two values",
            )


def _at_points(item: Diagnostic, names: Sequence[str]) -> Diagnostic:
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return replace(item, notes=(*item.notes, f"at the point{'s' * (len(names) > 1)} {listed} of the sweep"))


def _stem(spec: str) -> str:
    return spec.replace("\\", "/").rpartition("/")[2].removesuffix(".hvae")


def parameters_of(text: str) -> int:
    """The number of parameters that a text such as `39M`, `107k` or `39145700` means. Raises UsageError."""
    found = re.fullmatch(r"([0-9_]{1,15}(?:\.[0-9]{1,9})?)([kM]?)", text.strip())
    count = float(found[1].replace("_", "") or "0") * {"": 1, "k": 1e3, "M": 1e6}[found[2]] if found else 0.0
    if not 1 <= count <= MAX_PARAMETERS:
        raise UsageError(
            f"--target is `{text}`; it must be a number of parameters from 1 to {MAX_PARAMETERS:,}, e.g. 39M"
        )
    return round(count)
