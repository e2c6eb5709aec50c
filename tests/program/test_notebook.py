"""What a notebook shows: of mistakes no frames, of results no single line of thousands of characters."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import CompilerBug, HvaedslError, UsageError, error_types
from hvaedsl.elaborate.build import build_bridge
from hvaedsl.ir.bridge_text import block_lists
from hvaedsl.pipeline import transform
from hvaedsl.shipped import spec_names

COMPLETE = [name for name in spec_names() if name != "vdvae"]


def shown(error: Exception) -> str:
    """What IPython prints of an exception that has this method."""
    return "\n".join(error._render_traceback_())  # type: ignore[attr-defined]


def test_a_wrong_spec_shows_its_diagnostics_with_their_lines() -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads("hvae 1\ndata { dataset = cifar11 }\n")
    text = shown(caught.value)
    assert text.startswith("SpecError: \nerror[HV206]: unknown value `cifar11`")
    assert "\n2 | data { dataset = cifar11 }\n" in text
    assert "did you mean `cifar10`?" in text
    assert "Traceback" not in text


def test_a_wrong_name_is_one_message() -> None:
    with pytest.raises(UsageError) as caught:
        hvaedsl.load("cifr")
    assert shown(caught.value).endswith("did you mean the shipped spec cifar?")


def test_the_way_out_is_shown() -> None:
    assert shown(UsageError("a", help="b")) == "UsageError: a\n  help: b"


def test_only_bugs_keep_their_frames() -> None:
    without = {kind for kind in error_types(HvaedslError) if not hasattr(kind, "_render_traceback_")}
    assert without == {CompilerBug}


@pytest.mark.parametrize("name", COMPLETE)
def test_a_bridge_shows_the_block_lists_that_it_was_built_from(name: str) -> None:
    program = hvaedsl.load(name)
    lists = {str(stack): entries for stack, entries in block_lists(program.bridge).items()}
    assert repr(program.bridge) == f"encoder: {lists['encoder']}\ndecoder: {lists['decoder']}"
    spec = program.spec.model_copy(update={"model": program.spec.model.model_copy(update=lists)})
    assert transform(build_bridge(spec), spec) == program.bridge


def test_labels_and_repetitions_are_shown() -> None:
    text = "16r2@a, 16r3@a, 16r2, 16r2, 16d2, 8x1"
    program = hvaedsl.loads(
        hvaedsl.load("digits").resolved_text(),
        sets={
            "data.resolution": "16",
            "data.dataset": "npy",
            "data.path": '"x"',
            "model.encoder": text,
            "model.decoder": "8x1, 16m8",
        },
    )
    assert repr(program.bridge).splitlines()[0] == "encoder: 16r5@a, 2*16r2, 16d2, 8x1"


def test_a_spec_shows_itself_as_show_prints_it() -> None:
    program = hvaedsl.load("cifar_ws")
    assert repr(program.spec) == str(program.spec) == program.resolved_text()


def test_a_cost_is_a_table_with_its_sums() -> None:
    cost = hvaedsl.load("cifar_ws").cost
    lines = repr(cost).splitlines()
    assert len(lines) == 2 + len(cost.rows)
    assert len({len(line) for line in lines}) == 1
    total = lines[-1].split()
    assert total[0] == "total"
    assert f"{cost.parameters:,}" in total
    assert f"{cost.activation_bytes(1):,}" in total
    assert f"{sum(row.blocks for row in cost.rows):,}" == total[1]


def test_a_cost_says_what_is_not_counted() -> None:
    program = hvaedsl.loads(hvaedsl.load("digits").resolved_text(), sets={"model.cell": '"my.cells:Own"'})
    assert repr(program.cost).splitlines()[-1] == "not counted: my.cells:Own"
