from __future__ import annotations

import numpy as np
import pytest
import torch

from hvaedsl_runtime.data import Split, fixed_uniform, index_stream


def test_every_epoch_is_a_permutation_of_its_own() -> None:
    epochs = index_stream(50, seed=3, start=0, count=200).reshape(4, 50)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(50), (4, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("size", [1, 7, 16, 50, 130])
def test_batches_join_to_the_same_stream_wherever_they_begin(size: int) -> None:
    stream = index_stream(50, seed=3, start=0, count=400)
    for start in reversed(range(0, 400 - size, size)):
        np.testing.assert_array_equal(index_stream(50, 3, start, size), stream[start : start + size])


def test_the_order_is_fixed_by_the_seed() -> None:
    assert index_stream(50, 3, 0, 50).tolist() != index_stream(50, 4, 0, 50).tolist()
    assert index_stream(10, 0, 0, 10).tolist() == [3, 8, 9, 4, 6, 7, 2, 0, 1, 5]


def test_what_is_handed_out_can_be_written_to() -> None:
    first = index_stream(10, 0, 0, 10)
    first[:] = 0
    assert sorted(index_stream(10, 0, 0, 10)) == list(range(10))


def test_impossible_streams_are_refused() -> None:
    assert index_stream(10, 0, 5, 0).shape == (0,)
    for length, seed, start, count in ((0, 0, 0, 1), (10, -1, 0, 1), (10, 0, -1, 1), (10, 0, 0, -1)):
        with pytest.raises(ValueError, match="length must be positive"):
            index_stream(length, seed, start, count)


def test_an_images_draws_do_not_depend_on_its_batch() -> None:
    together = fixed_uniform(1, "test", [4, 9, 2], (8, 8, 1))
    assert together.shape == (3, 8, 8, 1)
    assert together.dtype == torch.float32
    assert torch.equal(fixed_uniform(1, "test", np.array([9]), (8, 8, 1))[0], together[1])


def test_splits_have_draws_of_their_own_and_those_of_the_test_split_are_fixed() -> None:
    splits: tuple[Split, ...] = ("train", "validation", "test")
    assert len({fixed_uniform(0, split, [7], (8, 8, 1)).numpy().tobytes() for split in splits}) == 3
    assert fixed_uniform(3, "test", [5], (1, 1, 3)).ravel().tolist() == pytest.approx(
        [0.296993017, 0.845871568, 0.415182054], abs=1e-7
    )


def test_draws_differ_by_image_and_seed_and_are_uniform() -> None:
    draws = fixed_uniform(0, "test", range(400), (8, 8, 1))
    assert len({image.numpy().tobytes() for image in draws}) == 400
    assert not torch.equal(fixed_uniform(1, "test", [0], (8, 8, 1))[0], draws[0])
    assert 0 <= float(draws.min()) < 0.001
    assert 0.999 < float(draws.max()) < 1
    histogram = torch.histc(draws, bins=16, min=0, max=1)
    expected = draws.numel() / 16
    assert float(((histogram - expected) ** 2 / expected).sum()) < 45  # chi-squared, 15 degrees of freedom: p = 1e-4
