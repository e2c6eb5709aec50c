"""`hvaedsl train`: train a spec and report its test likelihood for raw and averaged weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Lets, Sets, SpecPath, pairs
from hvaedsl.cli.run_options import with_options
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.shell import path_word
from hvaedsl.diagnostics.streams import say
from hvaedsl.ir.run_options import TrainOptions


@with_options(TrainOptions)
def train(spec: SpecPath, sets: Sets = None, lets: Lets = None, **options: Any) -> None:
    """Train a spec and report its test likelihood for raw and averaged weights.

    The run folder receives the resolved spec, metrics.jsonl, checkpoints, pictures and summary.json. Ctrl-C saves a
    checkpoint before the run stops.

    Example: [bold]hvaedsl train specs/digits.hvae --set train.steps=2000 --out runs/digits[/]
    """
    require_train("train")
    from hvaedsl.program import CustomParts, load
    from hvaedsl_runtime.disk.run_folder import RUNS, RunFolder
    from hvaedsl_runtime.launch.local import launch
    from hvaedsl_runtime.train.settings import RunSettings

    if RunFolder(Path(spec)).spec.is_file():
        resumed = RunSettings(**{**options, "out": Path(spec)})
        help_ = f"to resume the run: {resumed.resume_command()}"
        raise UsageError(f"{spec} is a run folder, and train takes a spec", help=help_)

    # The spec of a run folder finds its custom code where the run found it.
    part_folders = RunFolder(Path(spec).parent).part_folders()
    program = load(spec, sets=pairs(sets, "--set"), lets=pairs(lets, "--let"), custom=CustomParts(part_folders))
    if program.advice and os.environ.get("RANK", "0") == "0":  # once, if torchrun started several processes
        say(f"advice: {len(program.advice)}; to read it, run `hvaedsl lint {path_word(spec)}`", err=True)

    out = options.pop("out") or RUNS / program.name
    launch(program, RunSettings(out=out, **options))
