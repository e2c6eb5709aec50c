"""All analyses of a run as one self-contained HTML page."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun, UsageError
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.shell import path_word
from hvaedsl.ir.image_size import size_text
from hvaedsl.ir.training import Epochs
from hvaedsl.program import Program
from hvaedsl.render.output import render
from hvaedsl_runtime.analysis.base import Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import png, svg
from hvaedsl_runtime.analysis.registry import ANALYSES
from hvaedsl_runtime.analysis.result_files import ANOTHER_PLACE, write_files
from hvaedsl_runtime.disk.checked_json import read_checked
from hvaedsl_runtime.disk.run_folder import check_output_path
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.evaluate.results import WEIGHTS
from hvaedsl_runtime.evaluate.units import Unit, recorded_gives, reporting_unit

# If an evaluation is damaged: the report is then written without it.
WAY_OUT = "remove the file"


@dataclass(frozen=True)
class Embedded:
    """A figure embedded in the page: a data URI, the file name for downloads, and the caption."""

    uri: str
    file: str
    caption: str
    plot: bool


def write_report(subject: Subject, path: Path, say: Callable[[str], None]) -> None:
    """Run every analysis and write the page; `say` gets a line after each analysis.

    Raises DataNotFound, InvalidData; DamagedRun if a file of the run cannot be read; WriteError.
    """
    # Fail early if the page cannot be written, or if a file is damaged.
    check_output_path(path, ANOTHER_PLACE)
    evaluated_bounds(subject.run, reporting_unit(subject.spec))

    results = []
    for analysis in ANALYSES:
        started = time.monotonic()
        results.append(analysis.run(subject))
        say(f"{analysis.name}: {time.monotonic() - started:.1f} s")

    write_files(path.parent, [(path.name, report_html(subject, results))])


def report_html(subject: Subject, results: list[Result]) -> str:
    """The page with these results, in this order."""
    run = subject.run
    program = _named_program(run)
    unit = reporting_unit(program.spec)
    results_text, label, rows = evaluated_bounds(run, unit)
    bridge, no_bridge = _bridge(program)

    loader = PackageLoader("hvaedsl_runtime.analysis", ".")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return environment.get_template("report.html.jinja").render(
        title=f"{program.name}: {run.folder.path.resolve().name}",
        subtitle=_subtitle(subject),
        run=run.folder.path.resolve().name,
        results_text=results_text,
        unit=label,
        rows=rows,
        facts=_facts(run, program),
        spec=program.resolved_text(),
        bridge=bridge,
        no_bridge=no_bridge,
        sections=[_section(result) for result in results],
        version=hvaedsl.__version__,
    )


def _named_program(run: FinishedRun) -> Program:
    """The program of the run with the name of its model; the spec in the folder is called spec.hvae."""
    return run.program.named(run.folder.model_name() or run.folder.path.resolve().name)


def evaluated_bounds(run: FinishedRun, unit: Unit) -> tuple[str, str, list[dict[str, str]]]:
    """The bounds of the checkpoint that were already evaluated: a sentence, the unit, and the rows of a table."""
    step, path = run.checkpoint.step, run.folder.path
    summary = run.folder.read_summary() if run.folder.summary.exists() else {}
    if summary.get("best_step", summary.get("steps")) == step and isinstance(summary.get("test"), Mapping):
        found = summary["test"]
        return _bound_text("test", step), _label(found, unit), _rows(found, unit, run.folder.summary)

    for split in ("test", "validation"):
        evaluated = run.evaluation_file(split)
        found = read_checked(evaluated, WAY_OUT) if evaluated.exists() else {}
        if found.get("step") == step and set(WEIGHTS) <= set(found):
            return _bound_text(split, step), _label(found, unit), _rows(found, unit, evaluated)

    return f"Step {step} has not been evaluated yet; run hvaedsl eval {path_word(path)}.", unit.label, []


def _bound_text(split: str, step: int) -> str:
    return f"The bound on -log p of the {split} images after {step} step{'s' * (step != 1)}; lower is better."


def _label(bounds: Mapping[str, Any], unit: Unit) -> str:
    """The unit of bounds in a file, which says whether they are those of a density."""
    found = [bounds[weights] for weights in WEIGHTS if isinstance(bounds.get(weights), Mapping)]
    return unit.label_of(recorded_gives(found[0])) if found else unit.label


def _rows(bounds: Mapping[str, Any], unit: Unit, path: Path) -> list[dict[str, str]]:
    """The rows of the table, from the content of a file. Raises DamagedRun if its values are not numbers."""

    def shown(bound: Mapping[str, Any], key: str) -> str:
        value = bound.get(f"{key}_nats_per_dim")
        return "not finite" if value is None else f"{unit.of(float(value)):.4f}"

    try:
        return [
            {
                "name": name,
                "loss": shown(bounds[weights], "loss"),
                "distortion": shown(bounds[weights], "distortion"),
                "rate": shown(bounds[weights], "rate"),
                "images": f"{int(bounds[weights].get('images', 0)):,}",
            }
            for weights, name in WEIGHTS.items()
            if isinstance(bounds.get(weights), Mapping)
        ]
    except (TypeError, ValueError) as error:
        raise DamagedRun(f"{path}: its bounds are not numbers", help=WAY_OUT) from error


def _facts(run: FinishedRun, program: Program) -> list[tuple[str, str]]:
    checkpoint, training = run.checkpoint, program.training()
    minutes, seconds = divmod(round(checkpoint.counters.wall_seconds), 60)
    return [
        ("dataset", f"{program.spec.data.dataset}, {size_text(program.spec.data.height, program.spec.data.width)}"),
        ("parameters", f"{program.cost.parameters:,}"),
        ("stochastic depth", str(program.cost.stochastic_depth)),
        ("steps", f"{checkpoint.step:,} of {_length(run)}"),
        ("skipped updates", f"{checkpoint.counters.skipped_updates:,}"),
        ("time in training steps", f"{minutes} min {seconds} s"),
        ("images per step", f"{_images_per_step(checkpoint.position, training.batch_size):,}"),
        ("seed", str(checkpoint.position.seed)),
        ("EMA decay", f"{training.ema_decay:g}"),
    ]


def _images_per_step(position: Position, batch_size: int) -> int:
    """The images of a step; a run of an earlier version counted those of one process."""
    return batch_size * position.world_size if position.noise == 1 else batch_size


def _length(run: FinishedRun) -> str:
    """The steps of a whole run, with the epochs that they are."""
    steps, length = run.program.training().steps, run.folder.recorded_length()
    if not isinstance(steps, Epochs):
        return f"{steps:,}"
    return str(steps) if length is None else f"{length.steps:,} ({steps})"


def _subtitle(subject: Subject) -> str:
    weights, step = WEIGHTS[subject.weights], subject.run.checkpoint.step
    images = f"{weights} and {subject.split} images"
    return f"After {counted(step, 'step')}. The analyses use the {images}, with seed {subject.seed}."


def _bridge(program: Program) -> tuple[str | None, str]:
    try:
        return _uri("image/svg+xml", render(program.dot(), "svg")), ""
    except UsageError as error:
        return None, f"The architecture could not be drawn: {error}."


def _section(result: Result) -> dict[str, object]:
    json = json_text(dict(result.data), indent=1)
    return {
        "name": result.name,
        "title": result.title,
        "paragraphs": result.text.split("\n\n"),
        "figures": [_embedded(drawing) for drawing in result.drawings],
        "json": json,
        "json_uri": _uri("application/json", json.encode()),
    }


def _embedded(drawing: Drawing) -> Embedded:
    """Embed a drawing: image grids as PNG, plots as SVG."""
    if drawing.images:
        return Embedded(_uri("image/png", png(drawing.figure)), f"{drawing.stem}.png", drawing.caption, plot=False)
    return Embedded(_uri("image/svg+xml", svg(drawing.figure)), f"{drawing.stem}.svg", drawing.caption, plot=True)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
