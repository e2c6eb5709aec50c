"""Each key takes its type and nothing else; what keys say of each other; defaults."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.ir.spec import SECTIONS, keys, section_of
from tests.elaborate.written import found

SPEC = """hvae 1
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
OWN = SPEC.replace("digits", "npy  channels = 1  resolution = 8")


def codes(sets: dict[str, object], text: str = SPEC) -> list[str]:
    try:
        hvaedsl.loads(text, sets=sets)
    except hvaedsl.SpecError as error:
        return [item.code for item in error.diagnostics]
    return []


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("data.dataset", '"digits"', "HV204"),
        ("data.dataset", "digitz", "HV206"),
        ("data.validation", "-1", "HV205"),
        ("data.validation", "1.0", "HV204"),
        ("data.binarize", "true", "HV206"),
        ("data.binarize", '","', "HV204"),  # and what stands in the quotes is no value either
        ("model.normalize_state.norm", '"%"', "HV204"),
        ("model.width", '"8x"', "HV204"),
        ("model.width", "0", "HV205"),
        ("model.width", "16.0", "HV204"),
        ("model.width", "16, 16", "HV204"),
        ("model.width", "[16]", "HV204"),
        ("model.width", "none", "HV204"),
        ("model.width", "8x2", "HV204"),
        ("model.widths", "4", "HV204"),
        ("model.widths", "{a: 3}", "HV204"),
        ("model.widths", "{4: 0}", "HV205"),
        ("model.widths", "{4: 3.5}", "HV204"),
        ("model.widths", "{4: 32, 4: 32}", "HV216"),
        ("model.bottleneck", "0", "HV205"),
        ("model.bottleneck", "1000.1", "HV205"),
        ("model.bottleneck", "1e999", "HV205"),
        ("model.bias_up_to", "-1", "HV205"),
        ("model.encoder", "none", "HV204"),
        ("model.encoder", "{8: 1}", "HV204"),
        ("model.encoder", "8.0", "HV204"),
        ("model.encoder", "[]", "HV204"),
        ("model.decoder", "[[], []]", "HV204"),
        ("model.likelihood", "mixture_of_logistics", "HV215"),
        ("model.likelihood", "mixture_of_logistics()", "HV215"),
        ("model.likelihood", "mixture_of_logistics(1, 2)", "HV215"),
        ("model.likelihood", "mixture_of_logistics(10, bits = 4)", "HV225"),
        ("model.likelihood", "mixture_of_logistics(10, bits = 5, bits = 5)", "HV216"),
        ("model.likelihood", "mixture_of_logistics(10, k = 4)", "HV224"),
        ("model.likelihood", "mixture_of_logistics(0)", "HV205"),
        ("model.likelihood", "bernoulli(1)", "HV223"),
        ("model.likelihood", "laplace", "HV206"),
        ("model.likelihood", "10", "HV204"),
        ("train.steps", "none", "HV204"),
        ("train.steps", "0", "HV205"),
        ("train.learning_rate", "0", "HV205"),
        ("train.learning_rate", "-1e-4", "HV205"),
        ("train.learning_rate", "1e39", "HV205"),
        ("train.rates", "{encoder: 1e39}", "HV205"),
        ("train.weight_decay", "1e39", "HV205"),
        ("train.kl.free_nats", "1e39", "HV205"),
        ("train.kl.weight", "3.41e38", "HV205"),
        ("train.kl.weight", "{8: 1e39, other: 1}", "HV205"),
        ("sample.temperature", "1e39", "HV205"),
        ("paper.nll", "-1e999", "HV205"),
        ("train.weight_decay", "-0.1", "HV205"),
        ("train.betas", "0.9", "HV204"),
        ("train.betas", "0.9, 1", "HV205"),
        ("train.betas", "0.9, 0.9, 0.9", "HV204"),
        ("train.clip_norm", "0", "HV205"),
        ("train.ema_decay", "1", "HV205"),
        ("train.precision", "float16", "HV206"),
        ("sample.temperature", "0", "HV205"),
        ("sample.temperature", "{8: 0}", "HV205"),
        ("sample.temperature", "true", "HV204"),
        ("paper.depth", "1.5", "HV204"),
    ],
)
def test_a_value_that_does_not_fit(key: str, value: str, code: str) -> None:
    assert codes({key: value}) == [code]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("model.normalize_state.norm", "l3", "the values are l2, rms and none"),
        ("model.normalize_state.norm", "nome", "did you mean `none`? The values are l2, rms and none"),
        ("model.fourier.at", "blocks", "did you mean `block`? The values are block, sample, branches, image and none"),
        ("train.clip_norm", "0", "`train.clip_norm` is 0; it must be a number above 0, or none"),
        ("train.gpu_memory", "much", "`train.gpu_memory` must be a number above 0, or none"),
        ("train.learning_rate", "0", "`train.learning_rate` is 0; it must be a number above 0"),
    ],
)
def test_a_key_that_takes_none_says_so(key: str, value: str, says: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(SPEC, sets={key: value})
    (item,) = caught.value.diagnostics
    assert says in (item.message, item.help_text)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("train.clip_norm", "1e999", "is inf; it must be a number above 0 and at most 1.79769e+308, or none"),
        ("train.kl.free_nats", "1e39", "is 1e+39; it must be a number of at least 0 and at most 3.40282e+38"),
        ("train.rates", "{encoder: 1e39}", "is 1e+39; it must be a number above 0 and at most 3.40282e+38"),
        (
            "paper.nll",
            "-1e999",
            "is -inf; it must be a number of at least -1.79769e+308 and at most 1.79769e+308, or none",
        ),
    ],
)
def test_a_number_that_its_type_cannot_hold_is_refused_with_the_limit(key: str, value: str, says: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(SPEC, sets={key: value})
    (item,) = caught.value.diagnostics
    assert item.message == f"`{key}` {says}"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.steps", "1M", 1_000_000),
        ("train.learning_rate", "1", 1.0),
        ("train.clip_norm", "none", None),
        ("train.skip_above", "2500", 2500.0),
        ("train.clip_norm", "1e300", 1e300),  # norms are compared in float64
        ("train.learning_rate", "3.4e38", 3.4e38),
        ("train.betas", "[0.5, 0]", (0.5, 0.0)),
        ("model.widths", "{}", {}),
        ("model.bottleneck", "1", 1.0),
        ("model.bottleneck", "1.5", 1.5),
        ("sample.temperature", "{8: 0.5}", {8: 0.5}),
        ("sample.temperature", "2", 2.0),
        ("data.path", "none", None),
        ("data.path", "/images of faces", "/images of faces"),
        ("data.path", '"none"', "none"),
        ("paper.parameters", "39M", 39e6),
        ("paper.nll", "-1.5", -1.5),
    ],
)
def test_a_value_that_fits(key: str, value: str, expected: object) -> None:
    section, name = key.split(".")
    assert getattr(getattr(hvaedsl.loads(SPEC, sets={key: value}).spec, section), name) == expected


def test_defaults_are_those_of_the_schema() -> None:
    spec = hvaedsl.loads(SPEC).spec
    for section, fields in SECTIONS.items():
        for name, key in keys(fields).items():
            field = fields.model_fields[name]
            if key.required != "always" and not field.is_required():
                assert getattr(section_of(spec, section), name) == field.get_default(call_default_factory=True)


def test_data_sets_know_their_shape() -> None:
    data = hvaedsl.loads(SPEC).spec.data
    assert (data.resolution, data.channels, data.levels, data.validation, data.binarize) == (8, 1, 17, 180, "none")
    own = hvaedsl.loads(OWN).spec.data
    assert (own.levels, own.validation) == (256, 0)


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ({"data.resolution": 8}, []),
        ({"data.resolution": 16}, ["HV221"]),
        ({"data.levels": 256}, ["HV221"]),
        ({"data.channels": 3}, ["HV221"]),
        ({"data.channels": 2}, ["HV221"]),
        ({"data.channels": 65}, ["HV205"]),
        ({"model.likelihood": "bernoulli"}, []),
        ({"model.likelihood": "bernoulli", "data.binarize": "threshold"}, []),
        ({"model.likelihood": "bernoulli", "data.binarize": "none"}, ["HV217"]),
        ({"data.binarize": "dynamic"}, ["HV228"]),
        ({"model.likelihood": "mixture_of_logistics(10, bits = 5)"}, ["HV229"]),
    ],
)
def test_what_keys_say_of_each_other(sets: dict[str, object], expected: list[str]) -> None:
    assert codes(sets) == expected


def test_bernoulli_binarises_and_has_one_channel() -> None:
    assert hvaedsl.loads(SPEC, sets={"model.likelihood": "bernoulli"}).spec.data.binarize == "dynamic"
    sets: dict[str, object] = {"model.likelihood": "bernoulli", "data.channels": 3}
    assert codes(sets, OWN) == ["HV227"]
    assert codes({"data.channels": 2}, OWN) == []
    assert codes({"data.channels": 5, "data.dataset": "folder"}, OWN) == ["HV222"]


def test_a_training_run_needs_three_keys_more() -> None:
    program = hvaedsl.loads(SPEC, sets={"train.steps": 10})
    with pytest.raises(hvaedsl.SpecError) as caught:
        program.training()
    assert [item.message for item in caught.value.diagnostics] == [
        "missing keys `train.batch_size` and `train.learning_rate`",
    ]
    complete = hvaedsl.loads(SPEC, sets={"train.steps": 10, "train.batch_size": 2, "train.learning_rate": 1e-3})
    assert complete.training().batch_size == 2


@pytest.mark.parametrize("written", ["wavelet", "wavelet(db3)", "wavelet(haar, db2)"])
def test_a_wrong_wavelet_names_the_wavelets(written: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.load("digits.hvae", sets={"model.pooling": written})
    (found,) = caught.value.diagnostics
    assert found.code == "HV226"
    assert found.message == f"`model.pooling` is `{written}`; the wavelet must be `haar` or `db2`"


@pytest.mark.parametrize("written", ["caf\udce9", '"caf\udce9"'])
def test_a_path_that_is_not_utf_8_is_refused(written: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(OWN, sets={"data.path": written})
    (finding,) = caught.value.diagnostics
    assert finding.code == "HV204"
    assert "which is not UTF-8 text" in finding.label_text + finding.message
    assert "name a link to it" in finding.help_text


@pytest.mark.parametrize("key", ["data.resolution", "train.augment.random_crop"])
@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("(0, 20)", "`{key}` is (0, 20); it must be a height and a width of at least 1"),
        ("20, -3", "`{key}` is 20, -3; it must be a height and a width of at least 1"),
        ("0", "`{key}` is 0; it must be an integer of at least 1"),
    ],
)
def test_a_size_without_pixels_is_told_as_it_is_written(key: str, written: str, message: str) -> None:
    items = found(OWN, sets={key: written})
    told = [item.message for item in items]
    optional = ", or none" if key.endswith("random_crop") and written == "0" else ""
    assert told == [message.format(key=key) + optional]
    assert items[0].span.text in ("0", "-3")
