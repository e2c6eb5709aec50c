"""`hvaedsl analyze`: one command per analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.extras import DRAWING_PACKAGES, require_train
from hvaedsl.cli.former_names import FormerNamesCommand
from hvaedsl.cli.help_text import HelpGroup
from hvaedsl.cli.options import Json, TextFormat, described, format_of
from hvaedsl.cli.trained_run import BatchSize, CheckpointName, Device, RunPath, Seed, SplitName, Weights
from hvaedsl.diagnostics.streams import print_data, say

# The runtime's list of analyses, by name; a test compares the two.
ANALYSES: Mapping[str, str] = {
    "state-norms": "Norms of the state and of each block's increment, in both passes.",
    "kl": "KL per layer and resolution, active units, collapsed layers.",
    "temperatures": "Samples from the prior at several temperatures, from the same noise.",
    "partial-posteriors": "Some latents from the posterior, the others from the prior, chosen by three masks.",
    "reconstructions": "Images and their reconstructions.",
    "projections": "Images projected to each resolution, the energy kept, and Theorem 2 for them.",
    "discarded": "Share of the encoder's activations that each pooling discards, trained and at initialization.",
    "curves": "Likelihood and collapsed layers over the steps of a run.",
}

Images = Annotated[
    int | None,
    typer.Option("--images", min=1, metavar="N", help=described("Number of images.", "chosen by the analysis")),
]
Folder = Annotated[Path | None, typer.Option("--out", metavar="DIR", help=described("Output folder.", "RUN/analysis"))]

app = typer.Typer(cls=HelpGroup, no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def analyze() -> None:
    """Analyze a trained model. Each analysis writes figures (SVG, PNG) and data (JSON).

    Example: [bold]hvaedsl analyze kl runs/digits[/]
    """


def _command(name: str) -> Callable[..., None]:
    def command(
        run: RunPath,
        weights: Weights = "raw",
        split: SplitName = "test",
        images: Images = None,
        seed: Seed = 0,
        checkpoint: CheckpointName = None,
        device: Device = None,
        batch_size: BatchSize = None,
        out: Folder = None,
        output_format: TextFormat = "text",
        as_json: Json = False,
    ) -> None:
        require_train(f"analyze {name}", *DRAWING_PACKAGES)
        from hvaedsl_runtime.analysis.base import Subject
        from hvaedsl_runtime.analysis.registry import by_name
        from hvaedsl_runtime.analysis.result_files import result_json, write_result
        from hvaedsl_runtime.disk.whole_files import made_folder
        from hvaedsl_runtime.evaluate.finished_run import FinishedRun

        json_wanted = format_of(output_format, as_json) == "json"
        subject = Subject(FinishedRun.open(run, device, checkpoint), weights, split, images, seed, batch_size)
        folder = made_folder(out or run / "analysis")
        result = by_name(name).run(subject)
        if json_wanted:
            print_data(result_json(result))
        for path in write_result(result, folder):
            say(f"written: {path}", err=json_wanted)

    return command


for _name, _summary in ANALYSES.items():
    _help = f"{_summary}\n\nExample: [bold]hvaedsl analyze {_name} runs/digits[/]"
    app.command(_name, cls=FormerNamesCommand, help=_help)(_command(_name))
