from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from hvaedsl.ir.likelihood import Likelihood
from hvaedsl_runtime.data import Preparation, open_split, preparation

BERNOULLI = Likelihood(name="bernoulli")
MIXTURE = Likelihood(name="mixture_of_logistics", mixtures=10)
FIVE_BITS = Likelihood(name="mixture_of_logistics", mixtures=10, bits=5)
EVERY_LEVEL = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)


def make(**fields: Any) -> Preparation:
    return Preparation(**({"shift": 0.0, "scale": 1.0, "levels": 256, "binarize": "none", "bits": None} | fields))


def test_cifar10_takes_the_published_constants_and_arithmetic(make_spec: Any, make_set: Any, make_images: Any) -> None:
    images = make_images(4, 32, 3)
    prepare = preparation(make_spec("cifar10", channels=3, resolution=32), MIXTURE, make_set(images))
    assert (prepare.shift, prepare.scale) == (-120.63838, 1 / 64.16736)
    x, target = prepare(torch.from_numpy(images))
    pixels = torch.from_numpy(images.astype(np.float32))
    torch.testing.assert_close(x, (pixels - 120.63838) * torch.tensor(1.0 / 64.16736), rtol=0, atol=0)
    assert torch.equal(target, (pixels - 127.5) / torch.tensor(127.5))


def test_other_sets_take_mean_and_standard_deviation_of_the_training_images(make_spec: Any) -> None:
    train = open_split(make_spec(), "train")
    prepare = preparation(make_spec(), MIXTURE, train)
    values = train.batch(np.arange(len(train))).astype(np.float64)
    assert prepare.shift == pytest.approx(-values.mean(), rel=1e-12)
    assert prepare.scale == pytest.approx(1 / values.std(), rel=1e-12)
    x, _ = prepare(torch.from_numpy(train.batch(np.arange(len(train)))), dtype=torch.float64)
    assert float(x.mean()) == pytest.approx(0, abs=1e-9)
    assert float(x.std(correction=0)) == pytest.approx(1, rel=1e-9)


def test_dynamic_binarization_takes_the_statistics_of_the_binarized_images(make_spec: Any) -> None:
    train = open_split(make_spec(), "train")
    prepare = preparation(make_spec(binarize="dynamic"), BERNOULLI, train)
    images = torch.from_numpy(train.batch(np.arange(len(train))))
    probability = images.double() / 16
    mean = float(probability.mean())
    assert prepare.shift == pytest.approx(-mean, rel=1e-12)
    assert prepare.scale == pytest.approx((mean * (1 - mean)) ** -0.5, rel=1e-12)
    draws = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    x, _ = prepare(images, uniform=draws)
    assert abs(float(x.mean())) < 0.02
    assert abs(float(x.std()) - 1) < 0.02


def test_a_one_is_drawn_with_the_gray_values_probability() -> None:
    prepare = make(levels=17, binarize="dynamic", shift=-0.25, scale=2.0)
    assert prepare.needs_uniform
    images = torch.arange(17, dtype=torch.uint8).reshape(1, 1, 17, 1).expand(40_000, 1, 17, 1)
    draws = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    x, target = prepare(images, uniform=draws)
    assert set(target.flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(x, (target - 0.25) * 2)
    frequencies = target.mean(dim=0).flatten()
    expected = torch.arange(17) / 16
    assert ((frequencies - expected).abs() <= 4.5 * (expected * (1 - expected) / 40_000).sqrt()).all()


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-24])
def test_black_stays_0_and_white_stays_1_whatever_is_drawn(draw: float) -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 2, 1)
    _, target = make(binarize="dynamic")(images, uniform=torch.full(images.shape, draw))
    assert target.flatten().tolist() == [0, 1]


def test_threshold_is_above_one_half(make_spec: Any, make_set: Any) -> None:
    images = np.arange(17, dtype=np.uint8).reshape(1, 1, 17, 1)
    prepare = preparation(make_spec("npy", levels=17, binarize="threshold"), BERNOULLI, make_set(images, levels=17))
    assert not prepare.needs_uniform
    x, target = prepare(torch.from_numpy(images))
    assert target.flatten().tolist() == [0] * 9 + [1] * 8
    assert float(x.mean()) == pytest.approx(0, abs=1e-6)
    assert float(x.std(correction=0)) == pytest.approx(1, abs=1e-6)
    _, target = make(binarize="threshold")(EVERY_LEVEL)
    assert target.flatten().tolist() == [0] * 128 + [1] * 128


def test_five_bits_quantise_the_target_and_not_the_input(make_spec: Any, make_set: Any, make_images: Any) -> None:
    prepare = preparation(make_spec("npy"), FIVE_BITS, make_set(make_images(4)))
    assert prepare.bits == 5
    x, target = prepare(EVERY_LEVEL, dtype=torch.float64)
    pixels = EVERY_LEVEL.double()
    torch.testing.assert_close(x, (pixels + prepare.shift) * prepare.scale, rtol=0, atol=0)
    assert torch.equal(target, ((pixels / 8).floor() * 8 - 127.5) / 127.5)
    assert len(set(target.flatten().tolist())) == 32


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_targets_run_from_minus_one_to_one(levels: int) -> None:
    images = torch.arange(levels, dtype=torch.uint8).reshape(1, 1, levels, 1)
    _, target = make(levels=levels)(images, dtype=torch.float64)
    expected = 2 * torch.arange(levels, dtype=torch.float64) / (levels - 1) - 1
    torch.testing.assert_close(target.flatten(), expected, rtol=0, atol=1e-15)
    assert (float(target.min()), float(target.max())) == (-1, 1)


def test_narrow_types_are_rounded_once() -> None:
    prepare = make(shift=-120.63838, scale=1 / 64.16736)
    for narrow, wide in zip(prepare(EVERY_LEVEL, dtype=torch.bfloat16), prepare(EVERY_LEVEL), strict=True):
        assert torch.equal(narrow, wide.bfloat16())


def test_constant_images_are_not_divided_by_zero(make_spec: Any, make_set: Any) -> None:
    images = np.full((3, 8, 8, 1), 7, dtype=np.uint8)
    prepare = preparation(make_spec("npy"), MIXTURE, make_set(images))
    assert (prepare.shift, prepare.scale) == (-7, 1)


def test_it_survives_json_exactly(make_spec: Any) -> None:
    prepare = preparation(make_spec(), MIXTURE, open_split(make_spec(), "train"))
    assert Preparation.from_dict(json.loads(json.dumps(prepare.to_dict()))) == prepare
    with pytest.raises(ValueError, match="levels"):
        Preparation.from_dict({key: value for key, value in prepare.to_dict().items() if key != "levels"})


def test_dynamic_binarization_wants_draws_of_the_images_shape() -> None:
    prepare = make(binarize="dynamic")
    with pytest.raises(ValueError, match="needs uniform draws"):
        prepare(EVERY_LEVEL)
    with pytest.raises(ValueError, match=r"\[1, 16, 16\]"):
        prepare(EVERY_LEVEL, uniform=torch.rand(1, 16, 16))


def test_what_does_not_go_together_is_refused(make_spec: Any, make_set: Any, make_images: Any) -> None:
    train = make_set(make_images(4))
    with pytest.raises(ValueError, match="must be computed from train"):
        preparation(make_spec("npy"), MIXTURE, make_set(make_images(4), split="test"))
    with pytest.raises(ValueError, match="bernoulli; it cannot be used with"):
        preparation(make_spec("npy"), BERNOULLI, train)
    with pytest.raises(ValueError, match=r"cannot be used with data\.binarize = dynamic"):
        preparation(make_spec("npy", binarize="dynamic"), MIXTURE, train)
    with pytest.raises(ValueError, match="256 levels, and data"):
        preparation(make_spec("npy", levels=17), FIVE_BITS, train)
