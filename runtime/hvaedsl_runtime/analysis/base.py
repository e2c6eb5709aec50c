"""The input and output of an analysis.

To add an analysis: a file here that defines `ANALYSIS`, a line in `registry.py`, and a line in the table of
hvaedsl/cli/analyze.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.figure import Figure
from torch import Tensor

from hvaedsl.ir.spec import Spec
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.analysis.figures import style
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.data import Split
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.evaluate.fixed_batches import compute_by_image, fixed_batch_size
from hvaedsl_runtime.evaluate.pictures import shown_values
from hvaedsl_runtime.noise import LayerNoise


@dataclass(frozen=True)
class Subject:
    """The input of an analysis: a run, one of its two sets of weights, and images of a split.

    `images` is the number of images; None leaves it to the analysis. `seed` is the seed for samples drawn from the
    prior. Samples from the posterior use the same noise as evaluation does for the same image, so that the figures
    agree. `batch_size` None means the batch size of the spec; pictures are computed in a batch of fixed size instead.

    The default weights are those of the last step: the average starts at the initial weights, without bias correction,
    and after a short run still consists mostly of those. Model and images are loaded when they are first used.
    """

    run: FinishedRun
    weights: Weights = "raw"
    split: Split = "test"
    images: int | None = None
    seed: int = 0
    batch_size: int | None = None

    @property
    def spec(self) -> Spec:
        """The spec of the run."""
        return self.run.program.spec

    @cached_property
    def model(self) -> HierarchicalVAE:
        """The model with the chosen weights, in evaluation mode."""
        return self.run.model(self.weights)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The source of input, target and posterior noise of images by index. Raises DataNotFound, InvalidData."""
        return self.run.evaluator(self.split, self.batch_size)

    @property
    def shown_values(self) -> str:
        """A sentence for captions that says which values are shown as black and white; empty if it is all levels."""
        shown = shown_values(self.spec, self.run.preparation)
        return f" Shown: {shown}." if shown else ""

    def indices(self, default: int) -> list[int]:
        """The indices of the images to use: `default` of them unless `images` is set, or all if the split has fewer.

        They are spread evenly over the split, because some datasets are ordered by class.
        """
        available = len(self.evaluator.images)
        count = min(self.images or default, available)
        return [position * available // count for position in range(count)]

    def batches(self, indices: list[int]) -> Iterator[list[int]]:
        """The indices in batches."""
        size = self.evaluator.batch_size
        return (indices[start : start + size] for start in range(0, len(indices), size))

    def batches_with_progress(self, indices: list[int], description: str) -> Iterator[list[int]]:
        """The indices in batches, with a progress bar on a terminal."""
        with image_bar(description, len(indices)) as advance:
            for batch in self.batches(indices):
                yield batch
                advance(len(batch))

    def computed_by_image(
        self, indices: Sequence[int], compute: Callable[[list[int]], tuple[Tensor, ...]], description: str
    ) -> tuple[Tensor, ...]:
        """Tensors of images for a picture: those of an image do not depend on `images` or `batch_size`.

        `compute` and the result are those of `compute_by_image`; shows a progress bar on a terminal.
        """
        with image_bar(description, len(indices)) as advance:
            return compute_by_image(indices, fixed_batch_size(self.run.program), compute, advance)

    def prior_noise(self, draws: Sequence[int]) -> LayerNoise:
        """Noise for draws from the prior: a function of the seed and the number of the draw only."""
        return self.evaluator.noise_for("sample", draws, self.seed)

    def metadata(self) -> dict[str, str | int | None]:
        """The run, its weights, the split and the seed, for the data of a result."""
        return {
            "run": self.run.folder.path.resolve().name,
            "model": self.run.folder.model_name(),
            "dataset": self.spec.data.dataset,
            "step": self.run.checkpoint.step,
            "weights": self.weights,
            "split": self.split,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Drawing:
    """A figure of a result; `stem` starts with the name of the result.

    A grid of images (`images`) is written only as PNG, any other figure as PNG and SVG.
    """

    stem: str
    figure: Figure
    caption: str = ""
    images: bool = False


@dataclass(frozen=True)
class Result:
    """The output of an analysis.

    `name` is the stem of its JSON file. `text` says what the figures show, how it is defined, and the source;
    paragraphs are separated by an empty line. `data` has plain values; keys of numbers include the unit.
    """

    name: str
    title: str
    text: str
    data: Mapping[str, object]
    drawings: tuple[Drawing, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """An analysis and its name on the command line."""

    name: str
    examine: Callable[[Subject], Result]

    def run(self, subject: Subject) -> Result:
        """Run the analysis and draw its figures in the common style. Raises DataNotFound, InvalidData."""
        with style():
            return self.examine(subject)
