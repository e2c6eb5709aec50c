"""The activation memory of drawn models, counted without torch, against the storages that autograd keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hvaedsl
from tests.joint_weights import joint_bytes

from .memory_models import Measurement, models
from .profile import examples


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    pytest.importorskip("torch").set_num_threads(1)


def neglected(program: hvaedsl.Program) -> int:
    """Bytes that do not grow with the batch: the divisor and the mask of each state that one norm divides, and copies
    of weights.
    """
    norms = program.spec.model.normalize_state
    return joint_bytes(program) + 5 * len(program.bridge.operations) * (
        norms.norm is not None and norms.over == "batch"
    )


@examples(quick=20, long=1500)
@given(program=models(), every=st.integers(1, 6))
def test_the_count_is_what_autograd_keeps_in_float32(program: hvaedsl.Program, every: int) -> None:
    batch, checkpointing = 2, program.checkpointing
    everything, segments = (Measurement(program, batch, "float32", choice) for choice in (None, every))
    counted = program.cost.activation_bytes(batch)
    assert 0 <= everything.kept_bytes - counted <= neglected(program)
    assert segments.kept_bytes == checkpointing.kept_bytes(every, batch)
    assert 0 <= max(segments.bytes_of_segments) - checkpointing.peak_bytes(every, batch) <= neglected(program)


@examples(quick=10, long=800)
@given(program=models(), every=st.integers(1, 6))
def test_the_count_is_what_grows_with_the_batch_in_bfloat16(program: hvaedsl.Program, every: int) -> None:
    """The copies of the weights do not grow."""
    small, large, more, checkpointing = 1, 3, 2, program.checkpointing
    before, after = (Measurement(program, batch, "bfloat16", None).kept_bytes for batch in (small, large))
    assert after - before == program.cost.activation_bytes(more, "bfloat16")

    one, other = (Measurement(program, batch, "bfloat16", every) for batch in (small, large))
    assert other.kept_bytes - one.kept_bytes == checkpointing.kept_bytes(every, more, "bfloat16")
    grown = [high - low for low, high in zip(one.bytes_of_segments, other.bytes_of_segments, strict=True)]
    assert max(grown) == checkpointing.peak_bytes(every, more, "bfloat16")
