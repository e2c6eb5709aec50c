from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.likelihoods import MixtureOfLogistics


def head_on_outputs(channels: int, mixtures: int, levels: int = 256, bits: int | None = None) -> MixtureOfLogistics:
    """A head whose state is its outputs."""
    outputs = mixtures * (10 if channels == 3 else 3)
    head = MixtureOfLogistics(outputs, channels=channels, mixtures=mixtures, levels=levels, bits=bits)
    head.out_conv.weight.data = torch.eye(outputs).view(outputs, outputs, 1, 1)
    return head


def random_pixel(channels: int, mixtures: int) -> list[float]:
    """Outputs for one pixel, broad enough that no bin is tiny."""
    outputs = torch.randn(mixtures * (10 if channels == 3 else 3)) * 0.4
    return [float(value) for value in outputs]


def as_state(outputs: list[float], height: int = 1, width: int = 1) -> Tensor:
    return torch.tensor(outputs).view(1, -1, 1, 1).expand(1, -1, height, width)


def level_mass(level: int, levels: int, mean: float, log_scale: float) -> float:
    def cdf(x: float) -> float:
        return 1 / (1 + math.exp(-(x - mean) / math.exp(max(log_scale, -7.0))))

    x, half = 2 * level / (levels - 1) - 1, 1 / (levels - 1)
    return (1.0 if level == levels - 1 else cdf(x + half)) - (0.0 if level == 0 else cdf(x - half))


def pixel_mass(outputs: list[float], pixel: tuple[int, ...], mixtures: int, levels: int) -> float:
    """The likelihood of one pixel by its definition, from the layout of the outputs."""
    weights = [math.exp(logit) for logit in outputs[:mixtures]]
    stride = 3 * mixtures if len(pixel) == 3 else 2 * mixtures
    x = [2 * level / (levels - 1) - 1 for level in pixel]
    total = 0.0
    for component in range(mixtures):

        def output(channel: int, kind: int, component: int = component) -> float:
            return outputs[mixtures + channel * stride + kind * mixtures + component]

        means = [output(channel, 0) for channel in range(len(pixel))]
        if len(pixel) == 3:
            means[1] += math.tanh(output(0, 2)) * x[0]
            means[2] += math.tanh(output(1, 2)) * x[0] + math.tanh(output(2, 2)) * x[1]
        masses = [level_mass(pixel[c], levels, means[c], output(c, 1)) for c in range(len(pixel))]
        total += weights[component] / sum(weights) * math.prod(masses)
    return total


def masses_of(head: MixtureOfLogistics, outputs: list[float], pixels: list[tuple[int, ...]]) -> Tensor:
    target = torch.tensor(pixels, dtype=torch.float64).view(len(pixels), 1, 1, -1) * 2 / (head.levels - 1) - 1
    nll = head.nll_nats_per_dim(as_state(outputs).expand(len(pixels), -1, 1, 1), target)
    return torch.exp(-nll * head.channels)


@pytest.mark.parametrize(("channels", "levels"), [(1, 2), (1, 17), (1, 256), (3, 2), (3, 17)])
def test_probabilities_of_all_pixels_sum_to_one(channels: int, levels: int) -> None:
    outputs = random_pixel(channels, 3)
    pixels: list[tuple[int, ...]] = list(product(range(levels), repeat=channels))
    assert masses_of(head_on_outputs(channels, 3, levels), outputs, pixels).sum().item() == pytest.approx(1, abs=1e-9)


def test_256_levels_of_the_last_color_sum_to_the_first_two() -> None:
    outputs = random_pixel(3, 1)
    blue: list[tuple[int, ...]] = [(40, 200, level) for level in range(256)]
    expected = sum(pixel_mass(outputs, pixel, 1, 256) for pixel in blue)
    assert masses_of(head_on_outputs(3, 1), outputs, blue).sum().item() == pytest.approx(expected, rel=1e-9)
    red_and_green = level_mass(40, 256, outputs[1], outputs[2])
    green_mean = outputs[4] + math.tanh(outputs[3]) * (2 * 40 / 255 - 1)
    assert expected == pytest.approx(red_and_green * level_mass(200, 256, green_mean, outputs[5]), rel=1e-9)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_pixels_have_the_mass_of_the_definition(channels: int, levels: int) -> None:
    outputs = random_pixel(channels, 4)
    last = levels - 1
    pixels = [(0, last, levels // 2), (last, 0, 1), (levels // 3, levels // 2, last - 1)]
    pixels_of_channels = [pixel[:channels] for pixel in pixels]
    actual = masses_of(head_on_outputs(channels, 4, levels), outputs, pixels_of_channels).tolist()
    expected = [pixel_mass(outputs, pixel, 4, levels) for pixel in pixels_of_channels]
    assert actual == pytest.approx(expected, rel=1e-8)


def test_nll_is_the_mean_over_the_image() -> None:
    head = head_on_outputs(3, 2)
    state = torch.randn(2, 20, 2, 3) * 0.4
    levels = torch.randint(0, 256, (2, 2, 3, 3))
    actual = head.nll_nats_per_dim(state, levels * 2 / 255 - 1)
    for image in range(2):
        nll = 0.0
        for row, column in product(range(2), range(3)):
            outputs = [float(v) for v in state[image, :, row, column]]
            pixel = tuple(int(v) for v in levels[image, row, column])
            nll -= math.log(pixel_mass(outputs, pixel, 2, 256))
        assert actual[image].item() == pytest.approx(nll / (2 * 3 * 3), rel=1e-9)


def test_log_scales_are_clamped() -> None:
    head = head_on_outputs(1, 1)
    target = torch.zeros(1, 1, 1, 1) + 1 / 255
    at_the_clamp = head.nll_nats_per_dim(as_state([0.0, 0.01, -7.0]), target)
    assert torch.equal(head.nll_nats_per_dim(as_state([0.0, 0.01, -30.0]), target), at_the_clamp)
    assert head.nll_nats_per_dim(as_state([0.0, 0.01, -6.0]), target) != at_the_clamp


def test_five_bit_top_level_is_a_closed_bin() -> None:
    top, mean, log_scale = (248 - 127.5) / 127.5, 0.9, -1.0

    def cdf(x: float) -> float:
        return 1 / (1 + math.exp(-(x - mean) / math.exp(log_scale)))

    nll = head_on_outputs(1, 1, bits=5).nll_nats_per_dim(
        as_state([0.0, mean, log_scale]), torch.full((1, 1, 1, 1), top)
    )
    assert nll.item() == pytest.approx(-math.log(cdf(top + 1 / 31) - cdf(top - 1 / 31)), rel=1e-9)


@pytest.mark.parametrize("mixtures", [1, 2])
def test_grey_samples_follow_the_likelihood(mixtures: int) -> None:
    outputs = [0.5, -0.3, -0.9, 0.8, -1.0, -1.8] if mixtures == 2 else [0.0, 0.4, -0.8]
    head = head_on_outputs(1, mixtures, levels=5)
    drawn = head.sample(as_state(outputs, 200, 200), torch.Generator().manual_seed(3))
    assert drawn.shape == (1, 200, 200, 1)
    assert drawn.dtype == torch.uint8
    for level in range(5):
        mass = pixel_mass(outputs, (level,), mixtures, 5)
        frequency = (drawn == level).double().mean().item()
        # The margin of the uniform draws moves at most 2e-5.
        assert frequency == pytest.approx(mass, abs=5 * math.sqrt(mass * (1 - mass) / 40_000) + 2e-5)


def test_first_color_follows_the_likelihood_and_a_seed_repeats() -> None:
    outputs = random_pixel(3, 2)
    head = head_on_outputs(3, 2, levels=3)
    state = as_state(outputs, 200, 200)
    drawn = head.sample(state, torch.Generator().manual_seed(4))
    for level in range(3):
        mass = sum(pixel_mass(outputs, (level, *rest), 2, 3) for rest in product(range(3), repeat=2))
        frequency = (drawn[..., 0] == level).double().mean().item()
        assert frequency == pytest.approx(mass, abs=5 * math.sqrt(mass * (1 - mass) / 40_000) + 2e-5)
    assert torch.equal(drawn, head.sample(state, torch.Generator().manual_seed(4)))
    # A generator's draws do not depend on the memory layout of the state.
    assert torch.equal(drawn, head.sample(state.contiguous(), torch.Generator().manual_seed(4)))
    assert torch.equal(
        drawn,
        head.sample(state.contiguous(memory_format=torch.channels_last), torch.Generator().manual_seed(4)),
    )


def narrow_pixel() -> list[float]:
    """Two narrow components, the second far likelier: logits, then means, log-scales, coefficients by color."""
    red = [0.9, 0.5, -20.0, -20.0, 0.0, math.atanh(0.5)]
    green = [0.9, -0.1, -20.0, -20.0, 0.0, math.atanh(0.2)]
    blue = [0.9, 2.0, -20.0, -20.0, 0.0, math.atanh(-0.4)]
    return [0.0, 50.0, *red, *green, *blue]


def test_mean_chains_and_clamps_the_likeliest_component() -> None:
    head = head_on_outputs(3, 2)
    image = head.mean(as_state(narrow_pixel(), 2, 3))
    assert image.shape == (1, 2, 3, 3)
    red, green = 0.5, -0.1 + 0.5 * 0.5
    # The blue mean, 2.04, is clamped to 1.
    assert image[0, 1, 2].tolist() == pytest.approx([red, green, 1.0])


def test_narrow_samples_round_to_the_chained_mean() -> None:
    # At the centre of a level the spread of 0.1 levels does not shift the mean of the rounded draws.
    expected = [191, 147, 170]
    red, green, blue = (level / 127.5 - 1 for level in expected)
    outputs = narrow_pixel()
    outputs[3], outputs[9], outputs[15] = red, green - 0.5 * red, blue - 0.2 * red + 0.4 * green
    head = head_on_outputs(3, 2)
    drawn = head.sample(as_state(outputs, 100, 100), torch.Generator().manual_seed(5)).double()
    means = drawn.mean(dim=(0, 1, 2))
    for channel in range(3):
        assert means[channel].item() == pytest.approx(expected[channel], abs=0.01)


def test_samples_reach_both_ends_of_the_levels() -> None:
    head = head_on_outputs(1, 1)
    assert head.sample(as_state([0.0, 5.0, -7.0])).item() == 255
    assert head.sample(as_state([0.0, -5.0, -7.0])).item() == 0
    # With a spread of 0.1 levels, 200.9 is nearly always rounded to 201; truncation would mostly give 200.
    value = 200.9 / 127.5 - 1
    drawn = head.sample(as_state([0.0, value, -7.0], 50, 50), torch.Generator().manual_seed(6))
    assert drawn.double().mean().item() == pytest.approx(201, abs=0.1)


def test_gradients() -> None:
    head = MixtureOfLogistics(3, channels=3, mixtures=2)
    target = torch.randint(0, 256, (1, 2, 2, 3)) * 2 / 255 - 1

    def nll(state: Tensor) -> Tensor:
        return head.nll_nats_per_dim(state, target)

    assert torch.autograd.gradcheck(nll, (torch.randn(1, 3, 2, 2, requires_grad=True),))


@pytest.mark.parametrize("size", [1.0, 1e2, 1e5])
def test_loss_and_gradients_are_finite_for_extreme_outputs(size: float) -> None:
    head = head_on_outputs(3, 3).float()
    state = (torch.randn(4, 30, 8, 8, dtype=torch.float32) * size).requires_grad_()
    target = torch.randint(0, 256, (4, 8, 8, 3)).float() / 127.5 - 1
    nll = head.nll_nats_per_dim(state, target)
    (gradient,) = torch.autograd.grad(nll.sum(), state)
    assert nll.isfinite().all()
    assert gradient.isfinite().all()


def test_density_stays_wide_under_autocast() -> None:
    head = head_on_outputs(3, 1).float()
    state, target = torch.zeros(1, 10, 2, 2, dtype=torch.float32), torch.zeros(1, 2, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head.nll_nats_per_dim(state, target).dtype == torch.float32


def test_refuses_what_it_cannot_describe() -> None:
    with pytest.raises(ValueError, match="must be at least 1, not 0 and 1"):
        MixtureOfLogistics(4, channels=0, mixtures=1)
    with pytest.raises(ValueError, match="must be at least 1, not 3 and 0"):
        MixtureOfLogistics(4, channels=3, mixtures=0)
    for levels in (1, 257):
        with pytest.raises(ValueError, match="levels must be from 2 to 256"):
            MixtureOfLogistics(4, channels=1, mixtures=1, levels=levels)
    with pytest.raises(ValueError, match="bits must be 5 or None, not 4"):
        MixtureOfLogistics(4, channels=3, mixtures=1, bits=4)
    with pytest.raises(ValueError, match="bits=5 quantizes images of 256 levels, not 32"):
        MixtureOfLogistics(4, channels=3, mixtures=1, levels=32, bits=5)
    with pytest.raises(ValueError, match="the target has shape"):
        MixtureOfLogistics(4, channels=3, mixtures=1).nll_nats_per_dim(torch.zeros(2, 4, 2, 2), torch.zeros(1, 2, 2, 3))
