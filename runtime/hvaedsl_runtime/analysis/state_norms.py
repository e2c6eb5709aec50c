"""The norm of the residual state along both passes, and of what each block adds to it."""

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
from hvaedsl_runtime.analysis.observation import DecoderVisit, EncoderVisit, observed

IMAGES = 160
BATCHES = 10

TEXT = """\
The L2 norm of the residual state of an image, over channels and space, before and after every block: in the bottom-up \
pass (the encoder) and in the top-down pass with latents from the posterior (Falck, Williams et al. 2022, Figure 6). \
Lines are means over {batches} batches of about {per_batch} {split} images, bands the standard deviation of the batch \
means; a norm of exactly 0, as of a bias that is not trained yet, has no place on the scale. Vertical lines mark \
changes of resolution: there the state has another number of values, and its norm jumps.

Below, the norms of what a block adds. "block" is the whole increment, state after less state before. Of the cell's \
parts, as far as it has them: h, the increment that the prior gives (the cell non_residual computes it and does not \
use it); W z, the projected latent; combiner, what combining x and z adds to x; resnet, what the residual step adds.

Dashed gray: the same model as it was initialized, with the same seed, on the same images. It is the control: sums of \
random increments grow too, so only what goes beyond it was learned."""


@dataclass
class Norms:
    """The norms of one quantity at one block: a tensor [B] for every batch of a pass."""

    resolution: int
    values: int  # how many numbers the tensor of one image holds
    images: list[Tensor] = field(default_factory=list)

    def batch_means(self) -> Tensor:
        """The means over `BATCHES` batches of the images, or as many as there are images; every tenth makes a batch."""
        every = torch.cat(self.images)
        count = min(BATCHES, len(every))
        return torch.stack([every[start::count].mean() for start in range(count)])

    def to_dict(self) -> dict[str, float]:
        """Mean and standard deviation of the batch means."""
        means = self.batch_means()
        return {"mean": means.mean().item(), "std": means.std(correction=1).item() if len(means) > 1 else 0.0}


Pass = list[dict[str, Norms]]  # by block; `before`, `after`, `block` and the cell's parts


def measure(subject: Subject, model: HierarchicalVAE, indices: list[int], description: str) -> tuple[Pass, Pass]:
    """The norms at every block of the bottom-up and of the top-down pass."""
    found: tuple[defaultdict[int, dict[str, Norms]], ...] = (defaultdict(dict), defaultdict(dict))

    def note(place: dict[str, Norms], name: str, x: Tensor) -> None:
        norms = place.setdefault(name, Norms(x.shape[2], x[0].numel()))
        norms.images.append(x.double().flatten(1).norm(dim=1).cpu())

    def note_state(place: dict[str, Norms], before: Tensor, after: Tensor) -> None:
        note(place, "before", before)
        note(place, "after", after)
        note(place, "block", after - before)

    def encoder(visit: EncoderVisit) -> None:
        note_state(found[0][visit.index], visit.before, visit.after)

    def decoder(visit: DecoderVisit) -> None:
        place = found[1][visit.step.layer]
        note_state(place, visit.before, visit.after)
        for name, part in visit.parts.items():
            note(place, name, part)

    for batch in subject.watched(indices, description):
        with observed(model, encoder=encoder, decoder=decoder), torch.no_grad():
            model.latents(subject.evaluator.prepared(batch)[0], noise=subject.evaluator.noise(batch))
    up, down = ([by_block[index] for index in range(len(by_block))] for by_block in found)
    return up, down


def examine(subject: Subject) -> Result:
    """The analysis `state-norms`."""
    indices = subject.indices(IMAGES)
    trained = measure(subject, subject.model, indices, "state norms")
    initial = measure(subject, subject.run.initial_model(), indices, "state norms at initialization")
    batches = min(BATCHES, len(indices))
    passes = ("bottom_up", "top_down")
    data = {
        **subject.described(),
        "images": len(indices),
        "batches": batches,
        **{
            weights: {name: _listed(norms) for name, norms in zip(passes, both, strict=True)}
            for weights, both in (("trained", trained), ("initial", initial))
        },
    }
    text = TEXT.format(batches=batches, per_batch=-(-len(indices) // batches), split=subject.split)
    return Result(
        "state-norms", "State norms", text, data, (Drawing("state-norms", draw(trained, initial), "Norms per block."),)
    )


def draw(trained: tuple[Pass, Pass], initial: tuple[Pass, Pass]) -> Figure:
    """State norms above, increments below; the bottom-up pass on the left."""
    figure, axes = panels(2, 2, height_inches=2.9)
    titles = ("bottom-up pass", "top-down pass")
    for column, (title, now, then) in enumerate(zip(titles, trained, initial, strict=True)):
        states, increments = axes[column], axes[2 + column]
        jumps = resolution_jumps(now)
        _draw_states(states, then, GRAY, "at initialization", dashed=True)
        _draw_states(states, now, BLACK, "state, trained", dashed=False)
        states.set_title(title)
        _draw_increments(increments, now, then)
        for panel in (states, increments):
            mark_jumps(panel, jumps if panel is states else [(position, "") for position, _ in jumps])
            panel.set_xlim(0, max(1, len(now)))
            whole_numbers(panel.xaxis)
        increments.set_xlabel("block")
    axes[0].set_ylabel("norm of the state")
    axes[2].set_ylabel("norm of what is added")
    handles, labels = (a + b for a, b in zip(*(axes[k].get_legend_handles_labels() for k in (0, 3)), strict=True))
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def resolution_jumps(blocks: Pass) -> list[tuple[float, str]]:
    """Before which blocks the resolution changes, with a label such as `4 to 8`."""
    resolutions = [block["before"].resolution for block in blocks]
    return [
        (float(index), f"{before} \N{RIGHTWARDS ARROW} {after}")
        for index, (before, after) in enumerate(pairwise(resolutions), 1)
        if before != after
    ]


def _draw_states(axes: Axes, blocks: Pass, color: str, label: str, *, dashed: bool) -> None:
    """One line for every stretch of a resolution: the state before its first block, then after each."""
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


def _band(
    axes: Axes, positions: Sequence[float], norms: Sequence[Norms], color: str, label: str, dashed: bool
) -> None:
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


def _listed(blocks: Pass) -> list[dict[str, object]]:
    return [
        {
            "block": index,
            "resolution": block["after"].resolution,
            "values": block["after"].values,
            "norms": {name: norms.to_dict() for name, norms in block.items()},
        }
        for index, block in enumerate(blocks)
    ]


ANALYSIS = Analysis("state-norms", "Norms of state and increments per block, in both passes", examine)
