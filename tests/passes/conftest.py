"""Small models that differ in what is counted: image, likelihood, widths, sharing, jumps, the state's beginning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

import hvaedsl


def text(
    *,
    channels: int = 3,
    resolution: int = 8,
    likelihood: str = "mixture_of_logistics(4)",
    encoder: str = "8x2, 8d2, 4x1",
    decoder: str = "4x1, 8m4, 8x2",
    more: str = "",
    latent: int = 3,
) -> str:
    return f"""hvae 1
data {{ dataset = npy  channels = {channels}  resolution = {resolution} }}
model {{
  width = 12  latent = {latent}  likelihood = {likelihood} {more}
  encoder = {encoder}
  decoder = {decoder}
}}
"""


MODELS = {
    "colour": text(),
    "one_component": text(likelihood="mixture_of_logistics(1)"),
    "five_bits": text(likelihood="mixture_of_logistics(10, bits = 5)"),
    "grey": text(channels=1),
    "bernoulli": text(channels=1, likelihood="bernoulli"),
    "single_resolution": text(encoder="8x3", decoder="8x3"),
    "padded_widths": text(more="widths = {4: 16, 2: 24}", encoder="8x1,8d2,4x1,4d2,2x2", decoder="2x1,4m2,4x1,8m4,8x1"),
    "synchronous": text(more="processing = synchronous", encoder="8x1, 8d2, 4r2", decoder="4x2, 8m4, 8x1"),
    "narrow": text(more="bottleneck = 0.01"),
    "down_to_1": text(encoder="8x1, 8d2, 4d2, 2d2, 1x2", decoder="1x2, 2m1, 4m2, 8m4"),
    "no_power_of_two": text(resolution=12, encoder="12x1, 12d3, 4x1", decoder="4x2, 12m4, 12x1"),
    "skipping": text(resolution=16, encoder="16x1, 16d4, 4x1, 4d4, 1x1", decoder="1x1, 4m1, 16m1, 16m4"),
    "above_the_bottleneck": text(encoder="8x1, 8d2, 4x1, 4d2, 2x1", decoder="4x1, 8m4"),
    "without_mix_in": text(decoder="4x2, 8x2"),
    "zeros_above_4": text(more="bias_up_to = 4", decoder="4x1, 8x1, 8m4, 8x1"),
    "zeros_everywhere": text(more="bias_up_to = 0"),
    "revisited": text(decoder="4x1, 8m4, 4x1, 8x1"),
    "repeated": text(encoder="8r3, 8d2, 4r2", decoder="4r2, 8m4, 2*8r2"),
    "labelled": text(
        more="bias_up_to = 4", encoder="3*8r1@g, 8x1, 8d2@g, 4x1@g", decoder="4x1@g, 8m4@g, 8x1, 8r2@h, 8x1@h"
    ),
    "non_residual": text(more="cell = non_residual"),
    "non_residual_revisited": text(more="cell = non_residual  bias_up_to = 4", decoder="4r2, 8x1, 8m4, 4x1, 8r2"),
    "nvae": text(more="cell = nvae"),
    "nvae_revisited": text(more="cell = nvae  bias_up_to = 4", decoder="4r2, 8x1, 8m4, 4x1, 8r2"),
    "nvae_padded_widths": text(
        more="cell = nvae  widths = {4: 16, 2: 24}", encoder="8x1,8d2,4x1,4d2,2x2", decoder="2x1,4m2,4x1,8m4,8x1"
    ),
    "euler_maruyama": text(more="cell = euler_maruyama", latent=12),
    "without_skips": text(more="skips = none"),
    "without_skips_synchronous": text(more="skips = none  processing = synchronous", decoder="4x1, 8m4, 8x5"),
    "strided": text(more="pooling = strided  widths = {4: 16}"),
    "haar": text(more="pooling = wavelet(haar)  widths = {4: 16}"),
    "db2": text(resolution=12, more="pooling = wavelet(db2)", encoder="12x1, 12d4, 3x1", decoder="3x1, 12m3, 12x2"),
    "normalized": text(more="normalize_state { norm = l2 }  widths = {4: 16}"),
    "normalized_zeros": text(more="bias_up_to = 0  normalize_state { norm = rms }", decoder="4x2, 8x1"),
    "normalized_synchronous": text(
        more="processing = synchronous  normalize_state { norm = rms }",
        encoder="8x1, 8d2, 4r2",
        decoder="4x2, 8m4, 8x1",
    ),
    "features_everywhere": text(more="fourier { at = block, sample, branches, image  exponents = -1, 2 }"),
    "features_in_blocks": text(more="fourier { at = block }"),
    "features_of_z": text(more="fourier { at = sample  exponents = 1 }  cell = nvae"),
    "features_in_branches": text(more="fourier { at = branches }  bias_up_to = 4", decoder="4x1, 8x1, 8m4, 8x1"),
    "features_of_the_image": text(more="fourier { at = image }"),
    "features_of_increments": text(more="fourier { at = branches, block }  cell = euler_maruyama", latent=12),
    "features_of_normalized": text(more="fourier { at = branches }  normalize_state { norm = l2 }"),
    "euler_maruyama_revisited": text(
        more="cell = euler_maruyama  bias_up_to = 4", latent=12, decoder="4r2, 8x1, 8m4, 4x1, 8r2"
    ),
}


@pytest.fixture(params=MODELS)
def program(request: pytest.FixtureRequest) -> hvaedsl.Program:
    return hvaedsl.loads(MODELS[request.param])


@pytest.fixture
def model_texts() -> Mapping[str, str]:
    return MODELS


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
