"""Random small models: whatever compiles is emitted, and computes the same."""

from __future__ import annotations

from random import Random

import pytest
import torch

import hvaedsl
from hvaedsl.ir.cells import CELL_NAMES
from tests.soak import soak

from .conftest import Pair


def random_text(seed: int) -> str:
    """A spec that compiles: an encoder that falls by any divisors, a decoder that visits what it likes."""
    random = Random(seed)
    size = random.choice((4, 6, 8, 9, 12))
    resolutions, encoder = [size], []
    while True:
        at = resolutions[-1]
        encoder += [_entry(random, at) for _ in range(random.randint(1, 3))]
        factors = [factor for factor in range(2, at + 1) if at % factor == 0]
        if not factors or (len(resolutions) > 1 and random.random() < 0.25):
            break
        factor = random.choice(factors)
        encoder.append(f"{at}d{factor}")
        resolutions.append(at // factor)
    decoder: list[str] = []
    visited: list[int] = []
    for at in reversed(resolutions):
        if at != size and random.random() < 0.2:
            continue
        coarser = [source for source in visited if at % source == 0]
        if coarser and random.random() < 0.8:
            label = random.choice(("", f"@k{at}"))
            decoder += [f"{at}m{random.choice(coarser)}{label}" for _ in range(random.randint(1, 2))]
        decoder += [_entry(random, at) for _ in range(random.randint(1, 3))]
        visited.append(at)
    channels, width = random.choice((1, 3)), random.randint(2, 7)
    cell = random.choice(CELL_NAMES)
    blocks = {at: random.choice(("residual", "residual", "attention", "attention(heads = 1)")) for at in resolutions}
    likelihoods = ["mixture_of_logistics(2)", "mixture_of_logistics(1, bits = 5)"]
    likelihood = random.choice([*likelihoods, "bernoulli"] if channels == 1 else likelihoods)
    same_width = cell == "euler_maruyama" or random.random() < 0.5
    fourier = random.choice(("", f"fourier {{ at = {random.choice(('block', 'branches', 'image'))}  exponents = 0 }}"))
    if cell == "euler_maruyama":
        fourier = fourier.replace("block", "branches")
    normalization = random.choice(("", "normalize_state { norm = rms }", "normalize_state { norm = l2  over = batch }"))
    pooling = random.choice(("average", "strided"))
    skips = random.choice(("all", "none")) if visited[0] == resolutions[-1] else "all"
    widths = {} if same_width else {at: width + 2 * index for index, at in enumerate(resolutions) if index}
    return f"""hvae 1
data {{ dataset = npy  channels = {channels}  resolution = {size} }}
model {{
  width = {width}  latent = {width if cell == "euler_maruyama" else random.randint(1, 3)}  cell = {cell}
  likelihood = {likelihood}  bias_up_to = {random.choice((0, 4, 64))}  bottleneck = {random.choice((0.25, 0.5, 1))}
  pooling = {pooling}  skips = {skips}
  block = {{{", ".join(f"{at}: {block}" for at, block in blocks.items())}}}
  {fourier} {normalization}
  widths = {{{", ".join(f"{at}: {channels}" for at, channels in widths.items())}}}
  encoder = {", ".join(encoder)}
  decoder = {", ".join(decoder)}
}}
"""


def _entry(random: Random, at: int) -> str:
    """An entry at a resolution; the labels of one resolution are shared there."""
    plain = (f"{at}x{random.randint(1, 3)}", f"{at}r{random.randint(1, 4)}", f"{random.randint(2, 4)}*{at}r2")
    return random.choice((*plain, f"{at}r{random.randint(1, 2)}@k{at}"))


@pytest.mark.parametrize("seed", [*range(20), *map(soak, range(20, 40))])
def test_a_random_model(seed: int) -> None:
    Pair(hvaedsl.loads(random_text(seed)), torch.float32 if seed % 2 else torch.float64).same()
