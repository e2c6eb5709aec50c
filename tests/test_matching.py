"""Block counts that hold the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.matching import Match, match_parameters
from hvaedsl.program import Program

ROOT = Path(__file__).parents[1]
SMALL = """hvae 1
data {{ dataset = digits }}
model {{ width = 32  latent = 4  encoder = {encoder}  decoder = {decoder} {more} }}
"""


def matched(path: str | Path, target: int) -> Match:
    return match_parameters(lambda sets: hvaedsl.load(path, sets=sets), target)


def small(encoder: str, decoder: str, target: int, more: str = "") -> tuple[Program, Match]:
    text = SMALL.format(encoder=encoder, decoder=decoder, more=more)

    def compile_with(sets: Mapping[str, str]) -> Program:
        return hvaedsl.loads(text, sets=sets)

    return compile_with({}), match_parameters(compile_with, target)


def shape(program: Program) -> list[str]:
    """The entries without the counts that may change."""
    lists = (program.spec.model.encoder, program.spec.model.decoder)
    entries = [entry for items in lists for entry in items.expanded()]
    return [f"{e.resolution}x" if e.operator == "x" and e.label is None else str(e) for e in entries]


@pytest.mark.parametrize("latent", [16, 32, 64, 128])
def test_the_latents_of_table_g7_at_equal_parameters(latent: int) -> None:
    path = ROOT / "specs" / "ablations" / f"latents_{latent}.hvae"
    before, target = hvaedsl.load(path), hvaedsl.load("cifar").cost.parameters
    match = matched(path, target)
    after = match.program
    assert abs(match.difference) < 0.001
    assert abs(match.difference) < abs(before.cost.parameters - target) / target
    assert after.cost.latents == before.cost.latents == latent // 16 * 396_048
    assert after.cost.stochastic_depth == before.cost.stochastic_depth
    assert after.spec.model.decoder == before.spec.model.decoder
    assert shape(after) == shape(before)


def test_blocks_are_taken_in_proportion() -> None:
    match = matched(ROOT / "specs" / "ablations" / "latents_128.hvae", hvaedsl.load("cifar").cost.parameters)
    assert str(match.program.spec.model.encoder) == "32x7, 32d2, 16x3, 16d2, 8x3, 8d2, 4x1, 4d4, 1x3"


def test_a_spec_that_fits_stays_as_it_is() -> None:
    program = hvaedsl.load("cifar")
    match = matched("cifar", program.cost.parameters)
    assert match.program.spec == program.spec
    assert match.difference == 0


@pytest.mark.parametrize("factor", [0.5, 0.75, 0.9, 1.1, 1.5, 2.0])
def test_the_nearest_count_of_one_entry_is_found(factor: float) -> None:
    """With one entry to change, no other count of it is nearer: all of them are tried."""
    decoder = "4r2, 8m4, 8r2"
    before = hvaedsl.loads(SMALL.format(encoder="8x12, 8d2, 4r2", decoder=decoder, more=""))
    target = round(before.cost.parameters * factor)
    _, match = small("8x12, 8d2, 4r2", decoder, target)
    sizes = [
        hvaedsl.loads(SMALL.format(encoder=f"8x{n}, 8d2, 4r2", decoder=decoder, more="")).cost.parameters
        for n in range(1, 121)
    ]
    assert abs(match.program.cost.parameters - target) == min(abs(size - target) for size in sizes)


def test_the_decoder_changes_only_where_the_encoder_does_not_suffice() -> None:
    before, match = small("8x4, 8d2, 4x4", "4x4, 8m4, 8x8", 30_000)
    assert str(match.program.spec.model.encoder) == "8x1, 8d2, 4x1"
    assert match.program.cost.stochastic_depth < before.cost.stochastic_depth
    assert shape(match.program) == [f"{part}" for part in ("8x", "8d2", "4x", "4x", "8m4", "8x")]
    _, match = small("8x4, 8d2, 4x4", "4x4, 8m4, 8x8", before.cost.parameters * 9 // 10)
    assert match.program.spec.model.decoder == before.spec.model.decoder


def test_what_shares_weights_pools_and_mixes_is_never_touched() -> None:
    before, match = small("8r3, 8x2@g, 8d2, 4x1".replace("x2@g", "r2@g"), "4x2@g".replace("x2", "r2") + ", 8m4, 8r2", 1)
    assert match.program.spec.model.encoder == before.spec.model.encoder
    assert match.program.spec.model.decoder == before.spec.model.decoder
    assert match.difference > 1
    before, match = small("8r3, 8d2, 4r1", "4r2, 8m4, 8r2", 10 * before.cost.parameters)
    assert match.program.spec == before.spec


def test_copies_with_weights_of_their_own_count_as_blocks() -> None:
    before, match = small("6*8r2, 8d2, 4x1", "4r2, 8m4, 8r2", 25_000)
    assert match.program.cost.parameters < before.cost.parameters
    assert str(match.program.spec.model.encoder).endswith("*8r2, 8d2, 4x1")


def test_an_entry_grows_to_ten_times_its_count_at_most() -> None:
    _, match = small("8x2, 8d2, 4x1", "4r2, 8m4, 8r2", 10_000_000)
    assert str(match.program.spec.model.encoder) == "8x20, 8d2, 4x10"


def test_synchronous_counts_are_refused() -> None:
    with pytest.raises(UsageError, match="synchronous"):
        small("8x1, 8d2, 4x2", "4x2, 8m4, 8x1", 5000, "processing = synchronous")
