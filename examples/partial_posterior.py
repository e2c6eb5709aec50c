"""Encode real digits, keep the first latents of the posterior, and draw the rest from the prior.

The distance to the images shows how much information the first layers carry (Child 2021, Figure 4). The model is
untrained unless a run folder is given: python examples/partial_posterior.py [RUN]
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

import hvaedsl
from hvaedsl_runtime.data import open_split, preparation


def main(run: Path | None = None) -> None:
    """Print the mean distance between images and reconstructions for each number of kept latents."""
    program = hvaedsl.load(run / "spec.hvae" if run else "digits.hvae")
    torch.manual_seed(0)
    model = program.module()
    if run is not None:
        newest = max((run / "checkpoints").glob("step-????????"))
        model.load_state_dict(load_file(newest / "ema.safetensors"))
    train = open_split(program.spec.data, "train")
    prepare = preparation(program.spec.data, program.spec.model.likelihood, train)
    images = torch.from_numpy(open_split(program.spec.data, "test").batch(range(8)))
    x, target = prepare(images)
    with torch.no_grad():
        latents = model.latents(x)
        for kept in range(1, len(latents) + 1):
            drawn = model.likelihood.mean(model.decode(latents[:kept], temperature=0.1))
            distance = (drawn - target).abs().mean().item()
            print(f"{kept:>2} of {len(latents)} latents from the posterior: mean distance {distance:.3f} on [-1, 1]")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
