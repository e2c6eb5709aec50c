"""What an analysis is given, and what it gives.

To add one: a file here with its `Analysis`, a line in `every.py`, and a line in the table of hvaedsl/cli/analyze.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from matplotlib.figure import Figure

from hvaedsl.ir.spec import Spec
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.analysis.figures import style
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.data import Split
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.noise import ImageNoise


@dataclass(frozen=True)
class Subject:
    """What an analysis looks at: a run, one of its two sets of weights, and images of a split.

    `images` is how many images; None leaves it to the analysis. `seed` fixes what is drawn from the prior. What is
    drawn from the posterior is what evaluation draws for the same image, so that the figures agree with its own.
    `batch_size` is how many images go through the model at a time; None takes the spec's.

    The weights are by default those of the last step: the average starts at the initial weights, uncorrected, so that
    in a short run it is mostly those. Model and images are opened when they are first asked for.
    """

    run: FinishedRun
    weights: Weights = "raw"
    split: Split = "test"
    images: int | None = None
    seed: int = 0
    batch_size: int | None = None

    @property
    def spec(self) -> Spec:
        """The run's spec."""
        return self.run.program.spec

    @cached_property
    def model(self) -> HierarchicalVAE:
        """The model with the chosen weights, not training."""
        return self.run.model(self.weights)

    @cached_property
    def evaluator(self) -> Evaluator:
        """Gives input, target and posterior noise of images by index. Raises RunError (4): images not found."""
        return self.run.evaluator(self.split, self.batch_size)

    def indices(self, default: int) -> list[int]:
        """The images to look at, `default` of them unless a number was asked for; fewer where the split has fewer.

        They are spread evenly over the split: some data sets are ordered by class.
        """
        available = len(self.evaluator.images)
        count = min(self.images or default, available)
        return [position * available // count for position in range(count)]

    def batches(self, indices: list[int]) -> Iterator[list[int]]:
        """The indices, a batch at a time."""
        size = self.evaluator.batch_size
        return (indices[start : start + size] for start in range(0, len(indices), size))

    def watched(self, indices: list[int], description: str) -> Iterator[list[int]]:
        """The same batches, with a progress bar on a terminal."""
        with image_bar(description, len(indices)) as advance:
            for batch in self.batches(indices):
                yield batch
                advance(len(batch))

    def prior_noise(self, draws: range) -> ImageNoise:
        """Noise of draws from the prior: a function of the seed, the draw's number and the layer alone."""
        return ImageNoise(self.seed, "sample", draws, self.run.device, self.run.dtype)

    def described(self) -> dict[str, str | int | None]:
        """What was looked at, for a result's data."""
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
    """A figure of a result; `stem` begins with the result's name.

    A grid of images (`images`) is written as PNG alone; any other figure as SVG too.
    """

    stem: str
    figure: Figure
    caption: str = ""
    images: bool = False


@dataclass(frozen=True)
class Result:
    """What an analysis found.

    `name` is the stem of its JSON file. `text`: what is seen, how it is defined, and the source, in plain sentences;
    an empty line between paragraphs. `data`: plain values, numbers with their units in their names.
    """

    name: str
    title: str
    text: str
    data: Mapping[str, object]
    drawings: tuple[Drawing, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """An analysis by its name on the command line."""

    name: str
    summary: str  # one line
    examine: Callable[[Subject], Result]

    def run(self, subject: Subject) -> Result:
        """What is found, drawn in the common style. Raises RunError as the subject does: 4 images not found."""
        with style():
            return self.examine(subject)
