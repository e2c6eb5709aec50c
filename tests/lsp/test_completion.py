"""What is offered where."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lsprotocol.types import CompletionItemKind, InsertTextFormat

from hvaedsl.diagnostics.span import Source
from hvaedsl.ir.datasets import NAMES, USER_IMAGES
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.suggestion import Suggestion
from hvaedsl.program import compile_source
from hvaedsl.rules.decoder_walk import DecoderEnd
from hvaedsl.rules.shallow_decoder import ShallowDecoder
from tests.lsp.texts import GOOD, analyzed, at_cursor


def offered(text: str) -> list[str]:
    found, offset = at_cursor(text, before=analyzed(GOOD))
    return [item.label for item in complete(found, offset)]


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def taken(text: str, label: str) -> str:
    """The text once a completion has been taken."""
    found, offset = at_cursor(text, before=analyzed(GOOD))
    item = next(item for item in complete(found, offset) if item.label == label)
    edit = item.text_edit
    assert edit is not None
    assert hasattr(edit, "range")
    start, end = (found.lines.offset(place) for place in (edit.range.start, edit.range.end))
    return found.text[:start] + edit.new_text + found.text[end:]


def test_an_empty_text_begins_with_sections_and_keywords() -> None:
    assert offered("|") == ["hvae", "data", "model", "train", "sample", "paper", "extends", "let"]


def test_keys_are_those_of_the_section_that_are_not_written_yet() -> None:
    found = offered(replaced("  latent  = 4\n", "  |\n"))
    assert found[0] == "latent"  # needed to compile
    assert {"likelihood", "cell", "fourier"} <= set(found)
    assert not {"width", "encoder", "dataset", "steps"} & set(found)


def test_what_images_of_ones_own_need_comes_first() -> None:
    found, offset = at_cursor("hvae 1\ndata {\n  dataset = folder\n  |\n}\n")
    first = complete(found, offset)[:3]
    assert [(item.label, item.detail) for item in first] == [
        ("channels", "needed for folder"),
        ("resolution", "needed for folder"),
        ("path", "default none"),
    ]
    assert offered(replaced("dataset = cifar10", "dataset = cifar10 |"))[0] == "path"


def test_a_key_may_follow_a_value_on_its_line() -> None:
    assert "latent" in offered(replaced("  latent  = 4\n", "").replace("width   = 32", "width = 32 la|"))


def test_a_text_with_a_space_is_a_snippet_for_who_knows_them() -> None:
    """Neovim 0.11 cuts every other edit at its first space."""
    found, offset = at_cursor("hvae 1\nmodel { wid| }")
    width = next(item for item in complete(found, offset, CompletionClient(snippets=True)) if item.label == "width")
    assert width.text_edit is not None
    assert (width.text_edit.new_text, width.insert_text_format) == ("width = $0", InsertTextFormat.Snippet)
    assert taken("hvae 1\nmodel { wid| }", "width") == "hvae 1\nmodel { width =  }"
    assert Suggestion("", "", CompletionItemKind.Value, plain="a $} \\").snippet == "a \\$\\} \\\\$0"
    assert Suggestion("32x", "", CompletionItemKind.Value).snippet == "32x"


def test_a_nested_section_has_its_own_keys() -> None:
    assert offered(replaced("free_nats = 0.1", "|")) == ["weight", "warmup_steps", "free_nats", "sampled_layers"]


def test_names_of_weights_are_offered_segment_by_segment() -> None:
    assert offered(replaced("kl {", "freeze = |  kl {")) == ["encoder", "decoder", "likelihood", "none"]
    stages = offered(replaced("kl {", "freeze = likelihood, encoder.|  kl {"))
    assert stages == ["encoder.stem", "encoder.blocks", "encoder.r32", "encoder.r16", "encoder.r4"]
    assert "decoder.blocks.r16_1" in offered(replaced("kl {", "freeze = decoder.blocks.r1|  kl {"))
    assert offered(replaced("kl {", "freeze = encoder |  kl {"))[0] != "decoder"  # the value is complete
    assert offered(replaced("kl {", "freeze = encoder.stem, encoder.|  kl {"))[0] == "encoder.blocks"
    text = replaced("kl {", "freeze = likelihood, encoder.st|  kl {")
    assert "freeze = likelihood, encoder.stem  kl {" in taken(text, "encoder.stem")


def test_names_of_weights_are_offered_as_keys_of_a_map() -> None:
    assert offered(replaced("kl {", "rates = |  kl {")) == ["{}", "$n"]
    assert offered(replaced("kl {", "rates = {decoder: 2, |}  kl {")) == ["encoder", "likelihood"]
    assert offered(replaced("kl {", "rates = {encoder: |}  kl {")) == ["$n"]
    text = replaced("kl {", "rates = {decoder.r|: 0.5}  kl {")
    assert "rates = {decoder.r16: : 0.5}" in taken(text, "decoder.r16")


def test_the_rest_of_a_word_is_replaced() -> None:
    assert taken(replaced("  latent  = 4\n", "  la|ten = 4\n"), "latent").count("latent = ") == 1


@pytest.mark.parametrize("written", ["dataset = |", "dataset = mni|", "dataset =|"])
def test_data_sets_have_their_shapes(written: str) -> None:
    text = replaced("dataset = cifar10", written)
    assert offered(text) == [*NAMES, '"hf:OWNER/NAME"']
    found, offset = at_cursor(text)
    suggestions = {item.label: item for item in complete(found, offset)}
    assert suggestions["mnist"].detail == "gray images of 32x32"
    assert suggestions["mnist"].documentation == "gray images of 32x32 pixels, 256 levels, 5,000 held out"
    assert all((suggestions[name].detail or "").startswith("your own images") for name in USER_IMAGES)


def test_a_data_set_of_the_hub_needs_its_shape_and_has_a_page() -> None:
    text = replaced("dataset = cifar10", 'dataset = "hf:ada/faces" re|')
    found, offset = at_cursor(text)
    suggestions = {item.label: item for item in complete(found, offset)}
    assert (suggestions["resolution"].detail or "").startswith("needed for hf:ada/faces")
    assert {"config", "column"} <= set(offered(replaced("dataset = cifar10", 'dataset = "hf:ada/faces" co|')))


def test_words_of_the_schema() -> None:
    with_key = "width = 32 {} ".format
    assert offered(replaced("width   = 32", with_key("pooling = |")))[:2] == ["average", "strided"]
    assert offered(replaced("width   = 32", with_key("likelihood = |")))[0] == "bernoulli"
    assert offered(replaced("width   = 32", with_key("cell = |")))[0] == "vdvae"
    blocks = ["residual", "attention", "attention(heads = 4)"]
    assert offered(replaced("width   = 32", with_key("block = |")))[:3] == blocks
    assert offered(replaced("width   = 32", with_key("block = { 8: | }")))[:3] == blocks
    assert offered(replaced("width   = 32", "width = 32 fourier { at = block, | }")) == ["sample", "branches", "image"]
    train = "free_nats = 0.1 }} augment {{ {} ".format
    assert offered(replaced("free_nats = 0.1", train("|"))) == ["horizontal_flip", "random_crop", "function"]
    assert offered(replaced("free_nats = 0.1", train("horizontal_flip = |"))) == ["true", "false"]
    assert offered(replaced("free_nats = 0.1", train("random_crop = |"))) == ["none", "$n"]
    assert offered(replaced("free_nats = 0.1", train("function = |"))) == ["none"]
    assert offered(replaced("width   = 32", "width = 32 widths = { | }")) == ["32", "16", "4", "other"]
    assert offered(replaced("width   = 32", "width = 32 widths = {16: 64, | }")) == ["32", "4", "other"]


def test_the_values_of_a_map_are_those_of_the_key() -> None:
    with_key = "width = 32 {} ".format
    assert offered(replaced("width   = 32", with_key("cell = { 8: | }")))[:2] == ["vdvae", "non_residual"]
    assert offered(replaced("width   = 32", with_key("cell = { 8: nvae, other: n| }")))[0] == "vdvae"
    assert "{}" in offered(replaced("width   = 32", with_key("cell = |")))
    assert "other" not in offered(replaced("width   = 32", with_key("cell = { other: nvae, | }")))
    assert taken(replaced("width   = 32", with_key("bottleneck = { o| }")), "other").count("{ other: ") == 1


def test_resolutions_need_no_compilation(tmp_path: Path) -> None:
    """They are offered right behind a keystroke, and where a base has the lists."""
    (tmp_path / "base.hvae").write_text(GOOD)
    found, offset = at_cursor('hvae 1\nextends "base.hvae"\nmodel { widths = { | } }\n', tmp_path / "child.hvae")
    for state in (found, dataclasses.replace(found, compilation=None)):
        assert [item.label for item in complete(state, offset)] == ["32", "16", "4", "other"]


def test_the_keys_of_a_map_are_known_where_a_base_writes_the_block_lists(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(GOOD)
    before, _ = at_cursor('hvae 1\nextends "base.hvae"\n|', tmp_path / "child.hvae")
    found, offset = at_cursor('hvae 1\nextends "base.hvae"\nmodel { widths = {|', tmp_path / "child.hvae", before)
    assert [item.label for item in complete(found, offset)] == ["32", "16", "4", "other"]


def test_nothing_is_offered_where_a_value_would_be_one_too_many() -> None:
    assert offered(replaced("dataset = cifar10", "dataset = cifar10, |")) == []


def test_the_encoder_goes_on_where_it_is() -> None:
    at_16 = ["16x", "16r", "16", "16d2", "16d4", "16d8", "16d16", "$n*"]
    assert offered(replaced("2*16r$n, 16d4, 4x1@low", "|")) == at_16
    assert offered(replaced("2*16r$n, 16d4, 4x1@low", "16x1, 16|")) == at_16
    assert offered(replaced("2*16r$n, 16d4, 4x1@low", "1*(16d4, |"))[:4] == ["4x", "4r", "4", "4d2"]


@pytest.mark.parametrize("written", ["3*|", "2*(|", "$n*|", "$n * (2 * (|", "1*(2*(16x1), $n*(16x1, 16|", "2*(16x1, |"])
def test_copies_of_a_pooling_are_not_offered(written: str) -> None:
    assert offered(replaced("2*16r$n, 16d4, 4x1@low", written)) == ["16x", "16r", "16", "$n*"]
    assert "16d2" in offered(replaced("2*16r$n, 16d4, 4x1@low", "2*(16x1), |"))


def test_without_skips_the_decoder_begins_where_the_encoder_ends() -> None:
    text = replaced("width   = 32", "width = 32 skips = none")
    assert offered(text.replace("4r2@top, 16m4, 2*(16r$n), 32m16, 32x2", "|")) == ["4x", "4r", "4", "$n*"]
    assert offered(replaced("32x2, 32d2, 2*16r$n", "|"))[0] == "32x"


def test_wavelets_pool_by_powers_of_two_alone() -> None:
    text = GOOD.replace("cifar10", "npy resolution = 12 channels = 1").replace(
        "32x2, 32d2, 2*16r$n, 16d4, 4x1@low", "|"
    )
    assert [item for item in offered(text) if "d" in item] == ["12d2", "12d3", "12d4", "12d6", "12d12"]
    wavelet = text.replace("width   = 32", "width = 32 pooling = wavelet(haar)")
    assert [item for item in offered(wavelet) if "d" in item] == ["12d2", "12d4"]


def test_the_decoder_goes_where_the_encoder_has_been() -> None:
    assert offered(replaced("4r2@top, 16m4, 2*(16r$n), 32m16, 32x2", "|"))[:3] == ["4x", "4r", "4"]
    found = offered(replaced("2*(16r$n), 32m16, 32x2", "|"))
    assert found == ["16x", "16r", "16", "16m4", "32m16", "32m4", "$n*"]


@pytest.mark.parametrize(
    "old", ["2*16r$n, 16d4, 4x1@low", "16d4, 4x1@low", "16m4, 2*(16r$n), 32m16, 32x2", "32m16, 32x2"]
)
def test_nothing_that_is_offered_in_a_list_is_wrong_there(old: str) -> None:
    text = replaced(old, "|")
    line = text[: text.index("|")].count("\n") + 1
    labels = [label for label in offered(text) if "$" not in label]
    assert labels
    for label in labels:
        written = label + "2" if label[-1] in "xr" else label
        found = compile_source(Source("spec", text.replace("|", written))).diagnostics
        # A list that goes no further ends below the image, and may be short: that is no fault of the entry.
        unfinished = (DecoderEnd, ShallowDecoder)
        here = [item for item in found if item.span.line == line and not isinstance(item, unfinished)]
        assert [item.message for item in here] == [], label


def test_nothing_is_offered_inside_of_a_string() -> None:
    assert offered(GOOD + 'paper { table = "as|" }\n') == []
    assert offered(GOOD + 'paper { table = "a # b|" }\n') == []


@pytest.mark.parametrize("closing", ["", "\n"])
def test_sections_that_are_not_closed_yet_are_known(closing: str) -> None:
    """Who types from top to bottom has never written a text that compiles."""
    text = f"hvae 1\ndata {{ dataset = mnist }}\nmodel {{ width = 8{closing} latent = 2 encoder = 32x3, |"
    found, offset = at_cursor(text)
    assert [item.label for item in complete(found, offset)][:3] == ["32x", "32r", "32"]


def test_no_entry_is_offered_where_the_resolution_is_in_doubt() -> None:
    assert offered(replaced("2*16r$n, 16d4, 4x1@low", "16q1, |")) == []


def test_labels_are_those_of_the_stack_with_the_same_shape() -> None:
    assert offered(replaced("2*(16r$n)", "16r$n@|")) == ["top"]
    assert offered(replaced("2*16r$n", "16r$n@|")) == ["low"]
    wide = replaced("width   = 32", "width = 32 widths = {4: 64}")
    assert offered(wide.replace("2*(16r$n)", "16r$n@|")) == []


def test_constants_stand_behind_the_dollar() -> None:
    assert offered(replaced("2*16r$n", "2*16r$|")) == ["$n"]
    assert taken(replaced("2*16r$n", "2*16r$|"), "$n") == GOOD


def test_a_key_says_what_its_base_has(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(GOOD)
    found, offset = at_cursor('hvae 1\nextends "base.hvae"\nmodel {\n  |\n}\n', tmp_path / "child.hvae")
    suggestions = [(item.label, item.detail) for item in complete(found, offset)]
    assert suggestions[0] == ("width", "32 in base.hvae")
    assert dict(suggestions)["encoder"] == "32x2, 32d2, 2*16r$n, 16… in base.hvae"
    assert dict(suggestions)["bottleneck"] == "default 0.25"
    found, offset = at_cursor('hvae 1\nextends "base.hvae"\npaper {\n  |\n}\n', tmp_path / "child.hvae")
    assert all("base.hvae" not in (item.detail or "") for item in complete(found, offset))


def test_images_of_ones_own_need_their_shape() -> None:
    details = dict.fromkeys(("channels", "resolution", "levels"), "")
    for dataset, needed in (("folder", "needed for folder"), ("cifar10", "default of the dataset")):
        found, offset = at_cursor(f"hvae 1\ndata {{\n  dataset = {dataset}\n  |\n}}\n")
        suggestions = complete(found, offset)
        details = {item.label: item.detail or "" for item in suggestions}
        assert (details["channels"], details["resolution"]) == (needed, needed)
        assert details["levels"] != needed or dataset == "cifar10"
        if dataset == "folder":
            assert {item.label for item in suggestions[:2]} == {"channels", "resolution"}


def test_details_stand_on_every_row_where_the_client_shows_them() -> None:
    found, offset = at_cursor(replaced("32d2, 2*16r$n, 16d4, 4x1@low", "32d2, |"))
    (first, *_) = complete(found, offset, CompletionClient(label_details=True))
    assert first.label_details is not None
    assert (first.label, first.label_details.description) == ("16x", "blocks, each with its own weights")
    assert complete(found, offset)[0].label_details is None


def test_bases_are_files_beside_it_and_shipped_specs(tmp_path: Path) -> None:
    (tmp_path / "mine.hvae").write_text("# My own.\nhvae 1\n")
    found, offset = at_cursor('hvae 1\nextends "vd|"\n', tmp_path / "child.hvae")
    suggestions = {item.label: item.detail for item in complete(found, offset)}
    assert suggestions["mine.hvae"] == "My own."
    assert "vdvae.hvae" in suggestions
    assert "child.hvae" not in suggestions


@pytest.mark.parametrize("written", ['"vd|"', '"|"', '"vd|', '"vd|vae.hvae"', "|"])
def test_a_base_is_written_with_both_quotes(written: str) -> None:
    assert taken(f"hvae 1\nextends {written}\ndata {{ }}\n", "vdvae.hvae").splitlines()[1] == 'extends "vdvae.hvae"'


def test_codes_in_a_comment_that_silences() -> None:
    advised = replaced("width   = 32", "width = 32 widths = {8: 64} # hvae: ignore[|")
    assert offered(advised)[:3] == ["HV502", "HV501", "HV503"]
    assert "HV303" not in offered(advised)  # an error cannot be suppressed
    assert offered(replaced("let n = 3", "let n = 3 # da|")) == []
