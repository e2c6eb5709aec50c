from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diff.compare import Difference, compare
from hvaedsl.diff.pictures import marks
from hvaedsl.diff.text import difference_text
from hvaedsl.fmt import format_text
from hvaedsl.ir.spec import SECTIONS, keys

SPEC = """hvae 1
data { dataset = npy  channels = 1  resolution = 8  binarize = none }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
train { steps = 10  batch_size = 2  learning_rate = 1e-3 }
"""
CHANGES: Mapping[str, str] = {
    "data.dataset": "folder",
    "data.path": '"elsewhere"',
    "data.config": '"plain"',
    "data.column": '"picture"',
    "data.channels": "3",
    "data.resolution": "16",
    "data.values": "real",
    "data.levels": "4",
    "data.validation": "7",
    "data.split_seed": "1",
    "data.binarize": "threshold",
    "data.fit": "crop",
    "model.width": "8",
    "model.latent": "2",
    "model.encoder": "8x1, 8d2, 4x1",
    "model.decoder": "4x2, 8m4, 8x2",
    "model.widths": "{4: 32}",
    "model.bottleneck": "0.5",
    "model.bias_up_to": "4",
    "model.likelihood": "mixture_of_logistics(3)",
    "model.cell": "nvae",
    "model.block": "attention",
    "model.processing": "synchronous",
    "model.skips": "none",
    "model.pooling": "strided",
    "model.fourier.at": "sample",
    "model.fourier.exponents": "3",
    "model.normalize_state.over": "batch",
    "model.normalize_state.norm": "rms",
    "train.steps": "11",
    "train.batch_size": "3",
    "train.micro_batch": "1",
    "train.learning_rate": "1e-4",
    "train.lr_warmup_steps": "0",
    "train.lr_schedule": "cosine",
    "train.weight_decay": "0",
    "train.betas": "0.9, 0.99",
    "train.clip_norm": "none",
    "train.skip_above": "400",
    "train.on_spike": "rollback",
    "train.freeze": "encoder.stem, decoder.r8",
    "train.rates": "{encoder: 0.5}",
    "train.ema_decay": "0.5",
    "train.precision": "bfloat16",
    "train.recompute_every": "2",
    "train.passes": "one_gelu, join",
    "train.memory_format": "contiguous",
    "train.compile": "blocks",
    "train.gpu_memory": "24",
    "train.deterministic": "true",
    "train.seed": "1",
    "train.eval_every": "5",
    "train.save_every": "5",
    "train.keep_last": "5",
    "train.keep_every": "5",
    "train.stop_after": "3",
    "train.kl.weight": "{8: 0.5, other: 1}",
    "train.kl.warmup_steps": "5",
    "train.kl.free_nats": "0.1",
    "train.kl.sampled_layers": "2",
    "train.augment.horizontal_flip": "true",
    "train.augment.random_crop": "9, 10",
    "train.augment.function": '"my_images:changed"',
    "sample.temperature": "{8: 0.7}",
    "sample.count": "4",
    "sample.channels": "0",
    "paper.table": '"Table 1"',
    "paper.parameters": "1M",
    "paper.depth": "4",
    "paper.nll": "3.1",
    "paper.nll_status": "confirmed",
}
BEFORE = {
    "data.binarize": {"model.likelihood": "bernoulli", "data.binarize": "dynamic"},
    "data.config": {"data.dataset": '"hf:me/faces"'},
    "data.column": {"data.dataset": '"hf:me/faces"'},
    "data.fit": {"data.dataset": "folder"},
    "data.values": {"model.likelihood": '"my:Density"'},
    "train.stop_after": {"data.validation": "10"},
    "model.fourier.exponents": {"model.fourier.at": "sample"},
    "model.normalize_state.over": {"model.normalize_state.norm": "l2"},
}
TOGETHER = {
    "data.dataset": {"data.fit": "refuse"},  # the default of a folder is another one
    "data.resolution": {"model.encoder": "16x2, 16d2, 8x1", "model.decoder": "8x1, 16m8, 16x2"},
}


def changed(key: str) -> Difference:
    before = BEFORE.get(key, {})
    after = {**before, key: CHANGES[key], **TOGETHER.get(key, {})}
    return compare(hvaedsl.loads(SPEC, sets=before), hvaedsl.loads(SPEC, sets=after))


def difference(first: str, second: str) -> Difference:
    return compare(hvaedsl.loads(first), hvaedsl.loads(second))


def with_decoder(decoder: str) -> str:
    return SPEC.replace("4x1, 8m4, 8x2", decoder)


def test_every_key_of_the_language_is_changed_here() -> None:
    assert list(CHANGES) == [f"{section}.{name}" for section, kind in SECTIONS.items() for name in keys(kind)]


@pytest.mark.parametrize("key", CHANGES)
def test_a_change_of_a_key_is_noticed(key: str) -> None:
    found = changed(key)
    assert not found.is_empty
    told = {f"{change.section}.{change.name}": change for change in found.keys}
    if key in ("model.encoder", "model.decoder"):
        assert [change.stack for change in found.levels] == [key.removeprefix("model.")]
    else:
        assert set(told) == {key}, "what follows from a key is no change of another one"
        assert told[key].before != told[key].after
        assert told[key].name in difference_text(found)
    assert found.changes_the_model == (key.startswith("model.") or key in ("data.channels", "data.resolution"))


@pytest.mark.parametrize(
    ("key", "value", "others"),
    [
        ("model.fourier.exponents", "3", {}),
        ("model.normalize_state.over", "batch", {}),
        ("model.bias_up_to", "100", {}),
        ("model.bottleneck", "0.26", {}),  # 4 of 16 channels, as with 0.25
        ("model.widths", "{2: 8}", {}),  # no block is at 2
        ("train.clip_norm", "500", {"train.skip_above": "100"}),
    ],
)
def test_a_change_without_effect_is_no_difference(key: str, value: str, others: dict[str, str]) -> None:
    found = compare(hvaedsl.loads(SPEC, sets=others), hvaedsl.loads(SPEC, sets={**others, key: value}))
    assert found.is_empty
    assert [change.key for change in found.without_effect] == [key]
    text = difference_text(found)
    assert "are the same model" in text
    assert f"changed without effect\n  {key}" in text

    # Beside another change it is still listed apart.
    more = compare(
        hvaedsl.loads(SPEC, sets=others), hvaedsl.loads(SPEC, sets={**others, key: value, "train.seed": "7"})
    )
    assert [change.key for change in more.keys] == ["train.seed"]
    assert [change.key for change in more.without_effect] == [key]


def test_keys_that_have_an_effect_together_are_differences() -> None:
    found = compare(
        hvaedsl.loads(SPEC, sets={"model.fourier.exponents": "3"}),
        hvaedsl.loads(SPEC, sets={"model.fourier.at": "block"}),
    )
    assert {change.key for change in found.keys} == {"model.fourier.at", "model.fourier.exponents"}
    assert found.without_effect == ()


def test_clipping_below_the_threshold_has_an_effect() -> None:
    before, after = (
        hvaedsl.loads(SPEC, sets={"train.skip_above": "300", "train.clip_norm": norm}) for norm in ("200", "400")
    )
    assert [change.key for change in compare(before, after).keys] == ["train.clip_norm"]


@pytest.mark.parametrize("key", [key for key in CHANGES if not key.startswith("model.")])
def test_the_weights_load_where_only_the_training_has_changed(key: str) -> None:
    weights = changed(key).weights
    # With real values the likelihood is another one, here a custom one that is not counted.
    assert weights.load == (key not in ("data.channels", "data.resolution", "data.values"))
    assert weights.alike == weights.tensors or key in ("data.channels", "data.resolution")


@pytest.mark.parametrize("name", ["cifar", "cifar_r", "cifar_ws", "celeba_ws", "digits", "ffhq256"])
def test_a_spec_written_in_another_way_is_the_same(name: str) -> None:
    path = Path("specs") / f"{name}.hvae"
    program = hvaedsl.load(path)
    text = program.document.source.text
    squeezed = " ".join(re.sub("#.*", "", text).split())
    for written in (format_text(text), f"# a comment\n{text}\n\n", squeezed, program.resolved_text()):
        found = compare(program, hvaedsl.loads(written, path=f"specs/{name}_again.hvae"))
        assert found.is_empty
        assert found.weights.load
        assert found.before.totals == found.after.totals


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("4x1, 8m4, 8x2", "4, 8m4, 8, 8"),
        ("4x1, 8m4, 2*(8r4)", "4x1, 8m4, 8r4, 8r4"),
        ("4x1, 8m4, 8r1", "4x1, 8m4, 8x1"),
        ("4x1, 8m4, 8r2@g", "4x1, 8m4, 8r1@g, 8r1@g"),
    ],
)
def test_two_spellings_of_one_model_are_the_same(first: str, second: str) -> None:
    assert difference(with_decoder(first), with_decoder(second)).is_empty


def test_widths_that_say_what_width_says_are_no_difference() -> None:
    assert compare(hvaedsl.loads(SPEC), hvaedsl.loads(SPEC, sets={"model.widths": "{4: 16}"})).is_empty


def test_sharing_is_told_apart_from_weights_of_ones_own() -> None:
    found = difference(with_decoder("4x1, 8m4, 8x3"), with_decoder("4x1, 8m4, 8r3"))
    (change,) = found.levels
    assert change.before is not None
    assert change.after is not None
    assert (change.before.sharing, change.after.sharing) == (((1, 4),), ((3, 1), (1, 1)))
    assert (change.before.blocks, change.after.blocks) == (4, 4)
    # Of three applications with the same weights, two take what the first one has read of the activation.
    assert found.before.totals.flops_per_image - found.after.totals.flops_per_image == 2 * (2 * 16 * 4 * 8 * 8)
    assert not found.weights.load


def test_a_mix_in_and_how_a_state_begins() -> None:
    found = difference(SPEC, with_decoder("4x1, 8x1, 8x2"))
    assert [(change.stack, change.resolution) for change in found.levels] == [("decoder", 8)]
    assert "8m4, 8x2 -> 8x3" in difference_text(found)
    text = difference_text(compare(hvaedsl.loads(SPEC), hvaedsl.loads(SPEC, sets={"model.bias_up_to": "4"})))
    assert "initial state" in text
    assert "as a learned bias -> as zeros" in text


def test_what_the_posteriors_read() -> None:
    def reads(**sets: str) -> list[str]:
        found = compare(
            hvaedsl.loads(SPEC), hvaedsl.loads(SPEC, sets={f"model.{key}": value for key, value in sets.items()})
        )
        return [change.after.reads for change in found.levels if change.after and change.stack == "decoder"]

    assert reads(skips="none") == ["no activation"]
    assert reads(processing="synchronous") == ["3 activations, each block its own"]
    assert "the last block but 1 -> no activation" in difference_text(
        compare(hvaedsl.loads(SPEC), hvaedsl.loads(SPEC, sets={"model.skips": "none"}))
    )


def test_the_order_of_the_same_blocks() -> None:
    found = difference(with_decoder("4x1, 4r2, 8m4, 8x1"), with_decoder("4x1, 8m4, 4r2, 8x1"))
    assert not found.is_empty
    assert [(walk.before, walk.after) for walk in found.walks] == [("4x1, 4r2, 8m4, 8x1", "4x1, 8m4, 4r2, 8x1")]
    assert "the same blocks in another order" in difference_text(found)


def test_a_resolution_that_only_one_side_has() -> None:
    second = SPEC.replace("8x2, 8d2, 4x1 ", "8x2, 8d2, 4x1, 4d4, 1x1 ").replace("4x1, 8m4", "1x1, 4m1, 8m4")
    found = difference(SPEC, second)
    assert {(change.stack, change.resolution) for change in found.levels if change.before is None} == {
        ("encoder", 1),
        ("decoder", 1),
    }
    assert "nothing -> 1x1" in difference_text(found)
    assert "1x1 -> nothing" in difference_text(difference(second, SPEC))


def test_the_weights_are_named_where_they_differ() -> None:
    found = compare(hvaedsl.loads(SPEC), hvaedsl.loads(SPEC, sets={"model.latent": "2"}))
    torch = pytest.importorskip("torch")
    first = hvaedsl.loads(SPEC).module().state_dict()
    second = hvaedsl.loads(SPEC, sets={"model.latent": "2"}).module().state_dict()
    differing = {name for name in second if first[name].shape != second[name].shape}
    assert isinstance(next(iter(first.values())), torch.Tensor)
    assert {change.name for change in found.weights.changes} == differing
    assert found.weights.tensors == len(second)
    assert found.weights.alike == len(second) - len(differing)
    change = found.weights.changes[0]
    assert f"{change.name}  {list(change.before or ())} -> {list(change.after or ())}" in difference_text(found)


def test_weights_that_are_left_over_are_told_as_such() -> None:
    more, fewer = (hvaedsl.loads(with_decoder(f"4x1, 8m4, {last}")) for last in ("8x2", "8x1"))
    found = compare(more, fewer)
    first, second = found.before.totals, found.after.totals
    assert first.parameters > second.parameters
    count = len(found.weights.changes)
    sentence = f"no, all {found.weights.tensors:,} tensors match, but {count} more tensors do not exist there"
    assert sentence in difference_text(found)
    assert f"no, {count} tensors differ, " in difference_text(compare(fewer, more))


def test_parts_that_nobody_has_counted_leave_the_weights_open() -> None:
    found = compare(hvaedsl.loads(SPEC), hvaedsl.loads(SPEC, sets={"model.cell": '"custom_cell:Linear"'}))
    text = difference_text(found)
    assert not found.weights.load
    assert "unknown, because custom parts were not imported" in text
    assert "not counted in model: custom_cell:Linear" in text


def test_boxes_are_marked_where_they_have_no_equal() -> None:
    first = hvaedsl.loads(with_decoder("4x1, 8m4, 8x2")).bridge
    second = hvaedsl.loads(with_decoder("4x1, 8m4, 8x2, 8r3")).bridge
    assert marks(first, first) == ({}, {})
    old, new = marks(first, second)
    assert old == {}
    (index,) = new
    assert (new[index], second.operations[index].resolution) == ("added", 8)
    assert marks(second, first)[0] == {index: "removed"}
    old, new = marks(first, hvaedsl.loads(with_decoder("4x1, 8m4, 8r2")).bridge)
    assert set(old.values()) == set(new.values()) == {"changed"}
    old, new = marks(first, hvaedsl.loads(with_decoder("4x1, 8x3")).bridge)
    assert sorted(old.values()) == ["changed", "removed"], "8x2 has become 8x3, and 8m4 is gone"
    assert list(new.values()) == ["changed"]
    larger = hvaedsl.loads(
        SPEC, sets={"data.resolution": "16", "model.encoder": "16x1", "model.decoder": "16x1"}
    ).bridge
    old, new = marks(first, larger)
    assert (old[0], new[0]) == ("changed", "changed"), "a stem is a stem at any resolution"
    assert old[len(first.operations) - 1] == new[len(larger.operations) - 1] == "changed", "so is a head"
    wider = hvaedsl.loads(SPEC, sets={"model.width": "24"}).bridge
    old, _ = marks(first, wider)
    assert len(old) == 10, "every box with channels of its own: stem, 8x2, 8d2, 4x1, two states, three runs, the head"


def test_the_name_of_a_label_is_no_difference_and_what_it_shares_is() -> None:
    text = SPEC.replace("decoder = 4x1, 8m4, 8x2", "decoder = 4x1@deep, 4x1@deep, 8m4@top, 8x1, 8r2@top, 8x1")
    renamed = compare(hvaedsl.loads(text), hvaedsl.loads(text.replace("deep", "bottom").replace("top", "deep")))
    assert renamed.is_empty
    assert renamed.weights.load
    assert not renamed.weights.changes
    assert not renamed.changes_the_model
    assert marks(*(hvaedsl.loads(side).bridge for side in (text, text.replace("deep", "bottom")))) == ({}, {})

    # The same number of sets of weights, each with the same names and shapes, applied elsewhere.
    moved = compare(hvaedsl.loads(text), hvaedsl.loads(text.replace("8x1, 8r2@top", "8r2@top, 8x1")))
    assert [change.resolution for change in moved.levels] == [8]
    assert moved.weights.load
    assert moved.changes_the_model

    # One set of weights more, of which the other spec has none.
    apart = compare(hvaedsl.loads(text), hvaedsl.loads(text.replace("8r2@top", "8r2@other")))
    assert [change.resolution for change in apart.levels] == [8]
    assert {change.name.split(".")[2] for change in apart.weights.changes} == {"r8_3"}
