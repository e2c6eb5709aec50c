"""Every way out of a finding, put in place, removes it; and code that a help tells the author to write is a way out.

Fixes and suggestions are put in place one at a time: in the snippets of the rules, in sound specs with one mistake, in
damaged specs, and in sound specs that get advice.
"""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity, edited
from hvaedsl.diagnostics.names import UnknownConstant, WrongType
from hvaedsl.diagnostics.syntax import MissingCount, UnknownOperator
from hvaedsl.ir.spec import SECTIONS, keys
from hvaedsl.rules import KINDS

from .damage import damaged, texts
from .linting import Lint, errors, kinds, texts_of
from .mistakes import MISTAKES, Mistake, Spec
from .profile import LONG, examples
from .spec_strategy import SoundSpec, sound_specs

TEXTS = texts()
SEEDS = range(5_000) if LONG else range(160)

# --- what a help quotes

_QUOTED = re.compile(r"`((?:[^`\\]|\\.)+)`")
# Names of the language, which a help may mention without a text to write.
NAMES = {
    *(name for section in SECTIONS for name in (section, section.rpartition(".")[2])),
    *(name for section in SECTIONS.values() for name in keys(section)),
    *(f"{section}.{name}" for section, kind in SECTIONS.items() for name in keys(kind)),
    *("{", "}", "=", ":", ".py", "m", "d", "k", "M", "bits", "$", '\\"', "\\\\", "\\n", "\\r", "\\t", "/", '"'),
}
# Other quotes that are not code to put in place, by code: forms with letters for numbers, and what others do.
MENTIONED = {
    "HV101": r"2\*\(3\*A\)",
    "HV102": r"\$n",
    "HV111": r"hvae 1",
    "HV112": r"R[xr]N|RdK|RmS|\d+[dm](\d+|\$\w+)",  # a form, or the entry as openai/vdvae reads it
    "HV117": r"k\*A|R[xr]N",
    "HV119": r"hvaedsl new NAME",
    "HV126": r"RxN, RdK|RmS, Rx\(N-1\)",
    "HV217": r"bernoulli|dynamic",
    "HV222": r"dataset = npy",
    "HV244": r"dataset = folder",
    "HV251": r"(encoder|decoder)\.\w+",  # the names that there are
    "HV262": r"folder|npy",  # the datasets that may have larger images
    "HV315": r"\d+dK",
    "HV318": r"sample|fourier\.at",
    "HV401": r"\(A@\w+, B@\w+\)",
    "HV505": r"image",
    "HV506": r"\d+m(\d+|\$\w+|\(.+\))",  # the entry that is replaced
    "HV508": r"\$\w+|@\w+",
}


def assert_quotes_are_ways_out(item: Diagnostic) -> None:
    """Each quote in a help is in an edit, or is a name, a form such as `key = ...`, or text that is marked."""
    offered = " ".join(f"{way.title} {' '.join(edit.replacement for edit in way.edits)}" for way in item.ways_out)
    for quote in _QUOTED.finditer(item.help_text):
        code, before = quote[1], item.help_text[: quote.start()]
        if code in offered or "..." in code or re.fullmatch(MENTIONED.get(item.code, r"(?!)"), code):
            continue
        assert code in NAMES or code in item.span.text, (item.code, item.help_text)
        assert not before.endswith(("write ", "did you mean ", "such as ", "for example ")), (item.code, item.help_text)


# --- what happens when it is put in place

# Errors that may be left after a way out of the only error: a value of the spec that no longer fits.
LEFT = {
    "HV321",  # a map of `latent` that has no value but 0
    "HV243",  # an example of `data.channels` beside channels that pictures show
    "HV315",  # with synchronous processing, an entry that is added needs one in the other stack
    "HV230",  # a map by resolution that lacks the resolution of an entry that is added
    "HV205",  # `train.kl.sampled_layers` is at most the depth of the block lists
}
# Their numbers are examples, which may not suit the other entries.
EXAMPLES = (MissingCount, UnknownConstant, UnknownOperator)


def position_after(start: int, way: Fix) -> int | None:
    """Where a place is after the edits; None if it is in a text that they replace."""
    if any(edit.span.start <= start < edit.span.end for edit in way.edits):
        return None
    before = [edit for edit in way.edits if edit.span.end <= start]
    return start + sum(len(edit.replacement) - (edit.span.end - edit.span.start) for edit in before)


def assert_way_out(text: str, item: Diagnostic, way: Fix, lint: Lint, *, sound: bool) -> None:
    """The finding is gone. `sound`: the text has no other mistake, so no error is left."""
    found = lint(texts_of(text)).found
    after = edited(text, way.edits)
    left = lint(texts_of(after)).found
    told = (item.code, item.message, way.title, after, [(other.code, other.message) for other in left])

    kind = item.code, item.message
    # Without one error the parser can read on, and find another one of its kind elsewhere.
    assert kinds(left)[kind] < kinds(found)[kind] or (not sound and item.code < "HV2"), told
    place = position_after(item.span.start, way)
    assert all((other.code, other.message, other.span.start) != (*kind, place) for other in left), told

    is_example = isinstance(item, EXAMPLES) or (isinstance(item, WrongType) and way is not item.fix)
    if sound and not is_example:
        errors_left = {other.code for other in left if other.severity is Severity.ERROR}
        assert errors_left <= (LEFT if item.severity is Severity.ERROR else LEFT - {"HV315"}), told


def check(text: str, *, sound: bool) -> None:
    """What holds of the findings of any text; `sound`: it has at most one mistake."""
    lint = Lint()
    found = lint(texts_of(text)).found
    for item in found:
        assert_quotes_are_ways_out(item)
        for way in item.ways_out:
            if all(edit.span.source is item.span.source for edit in way.edits):
                only = errors(found) == (item.severity is Severity.ERROR)
                assert_way_out(text, item, way, lint, sound=sound and only)


@pytest.mark.parametrize("code", [code for code, kind in KINDS.items() if kind.bad])
def test_ways_out_of_the_snippets_of_the_rules(code: str) -> None:
    check(KINDS[code].bad, sound=True)


@examples(quick=20, long=500)
@given(spec=sound_specs(), seed=st.integers(0, 10**6))
def test_ways_out_of_one_mistake_in_a_drawn_spec(spec: SoundSpec, seed: int) -> None:
    chance = random.Random(seed)
    sound = Spec(spec.text)
    check(spec.text, sound=True)
    for mistake in chance.sample(MISTAKES, 4):
        text = mistake(sound, chance)
        if text is not None:
            check(text, sound=True)


@pytest.mark.parametrize("mistake", dict.fromkeys(MISTAKES), ids=lambda mistake: mistake.__name__)
def test_ways_out_of_one_mistake_in_a_snippet(mistake: Mistake) -> None:
    """The good snippets of the rules are short, and each has what its rule is about."""
    snippets = list(KINDS.values())
    for number, kind in enumerate(snippets if LONG else snippets[::5]):
        chance = random.Random(number)
        for _ in range(3 if LONG else 1):
            text = mistake(Spec(kind.good), chance)
            if text is not None:
                check(text, sound=True)


@pytest.mark.parametrize("part", range(4))
def test_ways_out_of_damaged_specs(part: int) -> None:
    """Other seeds under `make fuzz`, and many more."""
    start = random.randrange(10**9) if LONG else 0
    for seed in SEEDS[part::4]:
        chance = random.Random(start + seed)
        text = damaged(chance.choice(TEXTS), chance)
        try:
            check(text, sound=False)
        except AssertionError as error:
            raise AssertionError(f"seed {start + seed}: {error}\n{text!r}") from error
