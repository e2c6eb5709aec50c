"""Names of other codes for the values of a spec: the message has ours, and its edit writes it."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.published_keys import COMMON_KEYS, PUBLISHED_KEYS, PublishedKey
from hvaedsl.ir.spec import SECTIONS, keys
from hvaedsl.program import compile_source
from tests.elaborate.small_specs import errors, fixed, only, spec

WRITTEN = list(dict.fromkeys(key for key in PUBLISHED_KEYS.values() if key.written))


@pytest.mark.parametrize("published", WRITTEN, ids=[key.written for key in WRITTEN])
def test_how_a_published_value_is_written_here_compiles(published: PublishedKey) -> None:
    section = published.key.rpartition(".")[0]
    assert hvaedsl.loads(spec(**{section: published.written.replace("512: 32, 256: 64", "4: 32")}))


@pytest.mark.parametrize("place", ["", *SECTIONS])
def test_a_name_of_the_published_code_gets_ours_everywhere(place: str) -> None:
    for name, published in PUBLISHED_KEYS.items():
        assert_gets_ours(name, published, place, "the published code's ")


@pytest.mark.parametrize("place", ["", *SECTIONS])
def test_a_name_of_many_codes_gets_ours_everywhere(place: str) -> None:
    for name, common in COMMON_KEYS.items():
        assert_gets_ours(name, common, place, "")


def test_two_values_of_beta_are_those_of_adam() -> None:
    (finding,) = errors(spec(train="beta = 0.9, 0.95"))
    assert finding.help_text == "did you mean `betas`?"
    assert fixed(spec(train="beta = 0.9, 0.95"), finding) == spec(train="betas = 0.9, 0.95")


def assert_gets_ours(name: str, published: PublishedKey, place: str, owner: str) -> None:
    """The help names the key, and its edit writes it in its section."""
    home, _, key = published.key.rpartition(".")
    statement = f"{name} = 3"
    for section in reversed(place.split(".") if place else []):
        statement = f"{section} {{ {statement} }}"
    found = compile_source(Source("spec", f"hvae 1\n{statement}\n")).diagnostics
    (finding,) = (item for item in found if item.code in ("HV201", "HV202"))
    there = "" if home == place else f" in `{home}`"
    assert finding.help_text == f"{owner}`{name}` is `{published.written or key}`{there} here"

    (way,) = finding.ways_out
    after = edited(f"hvae 1\n{statement}\n", way.edits)
    left = compile_source(Source("spec", after)).diagnostics
    assert not [item for item in left if item.code in ("HV201", "HV202") or item.code < "HV2"], after
    assert published.written in after
    assert key in after
    assert name not in after.split()


@pytest.mark.parametrize("name", ["beta", "train.beta", "train.kl.beta"])
def test_a_name_of_many_codes_as_an_option_gets_ours(name: str) -> None:
    (finding,) = compile_source(Source("spec", spec()), sets={name: "3"}).diagnostics
    assert (finding.code, finding.help_text) == ("HV218", "`beta` is `train.kl.weight` here")


@pytest.mark.parametrize("name", ["zdim", "model.zdim", "zdim.zdim"])
def test_a_name_of_the_published_code_as_an_option_gets_ours(name: str) -> None:
    (finding,) = compile_source(Source("spec", spec()), sets={name: "3"}).diagnostics
    assert (finding.code, finding.help_text) == ("HV218", "the published code's `zdim` is `model.latent` here")


def test_a_published_name_of_a_key_that_the_section_has_is_explained_only() -> None:
    finding = only(spec(model="zdim = 3"))
    assert finding.help_text == "the published code's `zdim` is `latent` here"
    assert finding.ways_out == ()


def test_the_keys_for_foreign_names_are_keys() -> None:
    known = {f"{section}.{name}" for section, kind in SECTIONS.items() for name in keys(kind)}
    assert PUBLISHED_KEYS.keys().isdisjoint(COMMON_KEYS)
    for table in (PUBLISHED_KEYS, COMMON_KEYS):
        assert {foreign.key for foreign in table.values()} <= known
        assert known.isdisjoint(f"{foreign.key.rpartition('.')[0]}.{name}" for name, foreign in table.items())


def test_a_published_name_explains_a_missing_key() -> None:
    text = spec().replace("latent = 4", "zdim = 4")
    finding = only(text)
    assert finding.code == "HV201"
    assert errors(fixed(text, finding)) == []


def test_a_published_name_in_another_section_says_which() -> None:
    text = spec(model="n_batch = 4")
    finding = only(text)
    assert finding.help_text == "the published code's `n_batch` is `batch_size` in `train` here"
    after = fixed(text, finding)
    assert "train { batch_size = 4 " in after
    assert errors(after) == []
