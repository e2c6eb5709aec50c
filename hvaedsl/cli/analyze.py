"""`hvaedsl analyze`: one command an analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import DRAWING_PACKAGES, require_train

# By the names that the runtime knows them by; a test holds this table against its list.
ANALYSES: Mapping[str, str] = {
    "state-norms": "Norms of the state, and of what each block adds, in both passes.",
    "kl": "KL per layer and resolution, active units, collapsed layers.",
    "temperatures": "Images from the prior at several temperatures, from the same noise.",
    "partial-posteriors": "Some latents from the posterior, the others from the prior, by three masks.",
    "reconstructions": "Images beside what the model makes of their latents.",
    "projections": "Images projected onto the resolutions, the energy that each keeps, and Theorem 2 on them.",
    "discarded": "The share of the encoder's activations that each pooling drops, trained and initial.",
    "curves": "Likelihood and collapsed layers over the steps of a run.",
}

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that hvaedsl train wrote.")]
Weights = Annotated[
    Literal["raw", "ema"],
    typer.Option(
        help="The weights of the last step, or averaged ones, which after a short run are mostly the initial."
    ),
]
SplitName = Annotated[Literal["test", "validation"], typer.Option(help="Which images.")]
Images = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="How many images; else so many as the analysis needs.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="S", help="Of what is drawn from the prior.")]
Device = Annotated[Literal["cpu", "cuda"] | None, typer.Option(help="Where to compute; else a GPU where there is one.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Images at a time; else the spec's.")]
Folder = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to write; else RUN/analysis.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def analyze() -> None:
    """Look into a trained model: each analysis writes its figures as SVG and PNG, and its numbers as JSON.

    Example: [bold]hvaedsl analyze kl runs/digits[/]
    """


def _command(name: str) -> Callable[..., None]:
    def command(
        run: Run,
        weights: Weights = "raw",
        split: SplitName = "test",
        images: Images = None,
        seed: Seed = 0,
        device: Device = None,
        batch_size: BatchSize = None,
        out: Folder = None,
    ) -> None:
        require_train(f"analyze {name}", *DRAWING_PACKAGES)
        from hvaedsl_runtime.analysis.base import Subject
        from hvaedsl_runtime.analysis.registry import by_name
        from hvaedsl_runtime.analysis.result_files import write_result
        from hvaedsl_runtime.disk.whole_files import made_folder
        from hvaedsl_runtime.evaluate.finished_run import FinishedRun

        subject = Subject(FinishedRun.open(run, device), weights, split, images, seed, batch_size)
        folder = made_folder(out or run / "analysis")
        result = by_name(name).run(subject)
        for path in write_result(result, folder):
            typer.echo(f"written: {path}")

    return command


for _name, _summary in ANALYSES.items():
    app.command(_name, help=f"{_summary}\n\nExample: [bold]hvaedsl analyze {_name} runs/digits[/]")(_command(_name))
