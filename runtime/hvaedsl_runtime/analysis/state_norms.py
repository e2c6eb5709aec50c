"""The norms of the residual state in both passes, and of the increment of each block."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import BLACK, COLORS, GRAY, mark_jumps, panels, whole_numbers
from hvaedsl_runtime.distributed import as_float64
from hvaedsl_runtime.evaluate.observation import DecoderVisit, EncoderVisit, observe

IMAGES = 160
BATCHES = 10

TEXT = """\
The upper panels show the L2 norm of an image's residual state, over channels and space, before and after every \
block: in the bottom-up pass (the encoder) and in the top-down pass with latents from the posterior (Falck, Williams \
et al. 2022, Figure 6). Lines are means over {batches} batches of about {per_batch} {split} images, and bands are the \
standard deviation of the batch means. A norm of exactly 0, such as that of an untrained bias, is not shown on the \
logarithmic scale. Vertical lines mark changes of resolution, where the number of values in the state changes.

The lower panels show the norms of the increments of a block. "block" is the total increment, the state after the \
block minus the state before it. The others are those of the parts that the cell has: h, the increment of the prior \
network (the cell non_residual computes it without using it); W z, the projected latent; combiner, the increment of \
combining x and z; resnet, that of the residual step.

Dashed gray lines are the control: the same model at initialization, with the same seed and on the same images. Sums \
of random increments grow too, so only the difference from the control was learned."""


@dataclass
class Norms:
    """The norms of one quantity at one block: a tensor [B] for each batch of images."""

    resolution: int
    values: int  # number of values in the tensor of one image
    images: list[Tensor] = field(default_factory=list)

    def batch_means(self) -> Tensor:
        """The mean of each batch: `BATCHES` interleaved batches, or one per image if there are fewer images."""
        norms = torch.cat(self.images)
        count = min(BATCHES, len(norms))
        return torch.stack([norms[start::count].mean() for start in range(count)])

    def to_dict(self) -> dict[str, float]:
        """Mean and standard deviation of the batch means."""
        means = self.batch_means()
        return {"mean": means.mean().item(), "std": means.std(correction=1).item() if len(means) > 1 else 0.0}


Pass = list[dict[str, Norms]]  # by block: the norms `before`, `after`, `block` and of the parts of the cell


def measure(subject: Subject, model: HierarchicalVAE, indices: list[int], description: str) -> tuple[Pass, Pass]:
    """Measure the norms at every block of the bottom-up and of the top-down pass."""
    bottom_up: defaultdict[int, dict[str, Norms]] = defaultdict(dict)
    top_down: defaultdict[int, dict[str, Norms]] = defaultdict(dict)

    def record(place: dict[str, Norms], name: str, x: Tensor) -> None:
        norms = place.setdefault(name, Norms(x.shape[2], x[0].numel()))
        norms.images.append(as_float64(x).flatten(1).norm(dim=1).cpu())

    def record_states(place: dict[str, Norms], before: Tensor, after: Tensor) -> None:
        record(place, "before", before)
        record(place, "after", after)
        record(place, "block", after - before)

    def encoder(visit: EncoderVisit) -> None:
        record_states(bottom_up[visit.index], visit.before, visit.after)

    def decoder(visit: DecoderVisit) -> None:
        place = top_down[visit.index]
        record_states(place, visit.before, visit.after)
        for name, part in visit.parts.items():
            record(place, name, part)

    for batch in subject.batches_with_progress(indices, description):
        with observe(model, encoder=encoder, decoder=decoder), torch.no_grad():
            model.latents(subject.evaluator.prepared(batch)[0], noise=subject.evaluator.noise(batch))

    up, down = ([by_block[index] for index in range(len(by_block))] for by_block in (bottom_up, top_down))
    return up, down


def examine(subject: Subject) -> Result:
    """The analysis `state-norms`."""
    indices = subject.indices(IMAGES)
    trained = measure(subject, subject.model, indices, "state norms")
    initial = measure(subject, subject.run.initial_model(), indices, "state norms at initialization")

    batches = min(BATCHES, len(indices))
    passes = ("bottom_up", "top_down")
    data = {
        **subject.metadata(),
        "images": len(indices),
        "batches": batches,
        **{
            weights: {name: _pass_data(norms) for name, norms in zip(passes, both, strict=True)}
            for weights, both in (("trained", trained), ("initial", initial))
        },
    }
    text = TEXT.format(batches=batches, per_batch=-(-len(indices) // batches), split=subject.split)
    drawing = Drawing("state-norms", draw(trained, initial), "Norms of the state and of the increments per block.")
    return Result("state-norms", "State norms", text, data, (drawing,))


def draw(trained: tuple[Pass, Pass], initial: tuple[Pass, Pass]) -> Figure:
    """State norms above and increments below, bottom-up pass on the left and top-down pass on the right."""
    figure, axes = panels(2, 2, height_inches=2.9)
    titles = ("bottom-up pass", "top-down pass")
    for column, (title, now, then) in enumerate(zip(titles, trained, initial, strict=True)):
        states, increments = axes[column], axes[2 + column]
        jumps = resolution_jumps(now)

        _draw_states(states, then, GRAY, "at initialization", dashed=True)
        _draw_states(states, now, BLACK, "trained state", dashed=False)
        states.set_title(title)
        _draw_increments(increments, now, then)

        for panel in (states, increments):
            mark_jumps(panel, jumps if panel is states else [(position, "") for position, _ in jumps])
            panel.set_xlim(0, max(1, len(now)))
            whole_numbers(panel.xaxis)
        increments.set_xlabel("block")

    axes[0].set_ylabel("norm of the state")
    axes[2].set_ylabel("norm of the increment")

    # One legend: the states, labeled in the first panel, and the increments of the top-down pass.
    handles, labels = (a + b for a, b in zip(*(axes[k].get_legend_handles_labels() for k in (0, 3)), strict=True))
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def resolution_jumps(blocks: Pass) -> list[tuple[float, str]]:
    """The blocks before which the resolution changes, each with a label such as `4 → 8`."""
    resolutions = [block["before"].resolution for block in blocks]
    return [
        (float(index), f"{before} \N{RIGHTWARDS ARROW} {after}")
        for index, (before, after) in enumerate(pairwise(resolutions), 1)
        if before != after
    ]


def _draw_states(axes: Axes, blocks: Pass, color: str, label: str, *, dashed: bool) -> None:
    """Draw one line per stretch of equal resolution: the state before its first block, then after each block."""
    edges = [0, *(int(position) for position, _ in resolution_jumps(blocks)), len(blocks)]
    for start, end in pairwise(edges):
        norms = [blocks[start]["before"], *(block["after"] for block in blocks[start:end])] if end > start else []
        _band(axes, range(start, end + 1), norms, color, label if start == 0 else "", dashed)
    axes.set_yscale("log")


def _draw_increments(axes: Axes, now: Pass, then: Pass) -> None:
    names = list(dict.fromkeys(name for block in now for name in block if name not in ("before", "after")))
    for color, name in zip(COLORS, names, strict=False):
        positions = [index + 0.5 for index, block in enumerate(now) if name in block]
        label = {"Wz": "W z"}.get(name, name)
        _band(axes, positions, [block[name] for block in now if name in block], color, label, dashed=False)

    positions = [index + 0.5 for index in range(len(then))]
    _band(axes, positions, [block["block"] for block in then], GRAY, "", dashed=True)
    axes.set_yscale("log")


def _band(axes: Axes, positions: Sequence[float], norms: Sequence[Norms], color: str, label: str, dashed: bool) -> None:
    """Draw means as a line, and one standard deviation around them as a band that stays positive."""
    if not norms:
        return

    rows = [norm.to_dict() for norm in norms]
    means = [row["mean"] if row["mean"] > 0 else math.nan for row in rows]
    stds = [row["std"] for row in rows]
    marker = "." if len(norms) < 20 else ""
    axes.plot(positions, means, color=color, label=label, linestyle="--" if dashed else "-", marker=marker)
    lower = [max(mean - std, mean * 1e-3) for mean, std in zip(means, stds, strict=True)]
    upper = [mean + std for mean, std in zip(means, stds, strict=True)]
    axes.fill_between(positions, lower, upper, color=color, alpha=0.2, linewidth=0)


def _pass_data(blocks: Pass) -> list[dict[str, object]]:
    return [
        {
            "block": index,
            "resolution": block["after"].resolution,
            "values": block["after"].values,
            "norms": {name: norms.to_dict() for name, norms in block.items()},
        }
        for index, block in enumerate(blocks)
    ]


ANALYSIS = Analysis("state-norms", examine)
