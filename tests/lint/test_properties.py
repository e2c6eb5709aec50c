"""What fixes do to specs that nobody thought of: they come to an end, break nothing, and safe ones change no model."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.check import Check
from hvaedsl.lint.fixes import apply_fixes
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.texts import Texts, place_of
from hvaedsl.program import compile_source

PIECES = (
    *("8x2", "8d2", "4x1", "8m4", "4", "8D2", "8d1", "8m8", "8x2@g", "(8x1, 8x1)@g", "4х1", "2*(8x1)", ",", "}", "{"),
    *("widht = 3", "width = 16", "widths = {2: 3, 4: 32}", "{4: 32, 4: 16}", "# hvae: ignore[HV502, HV503]\n", "# c\n"),
    *("$n", "$m", "let n = 2", '"4"', "none", "trian {", "temperature = {2: 1, 1: 2}", "encoder =", "\n", "\r\n"),
)
WORDS = [
    "hvae 1",
    "let n = 2",
    "data {",
    "dataset =",
    "digits",
    "channels = 1",
    "}",
    "model {",
    "width =",
    "16",
    "latent = 4\n",
    "widths =",
    "{4: 32, 2: 16}",
    "encoder =",
    "8x2",
    ",",
    "8d2",
    ",",
    "4x1",
    "decoder =",
    "4x1",
    ",",
    "8x$n",
    "}\n",
    "sample {",
    "temperature =",
    "{2: 0.5, 4: 1}",
    "} # hvae: ignore[HV501, HV502]",
]

EDITS = st.lists(st.tuples(st.integers(0, len(WORDS)), st.sampled_from((None, *PIECES))), max_size=4)


def text_of(edits: list[tuple[int, str | None]]) -> str:
    """A sound spec with words taken out and others put in."""
    words = list(WORDS)
    for at, piece in edits:
        if piece is None:
            del words[at : at + 1]
        else:
            words.insert(at, piece)
    return " ".join(words)


@given(edits=EDITS)
@settings(max_examples=150, deadline=None)
def test_fixes(edits: list[tuple[int, str | None]]) -> None:
    source = Source("spec.hvae", text_of(edits), Path("spec.hvae"))
    texts, check = Texts({place_of(source): source}), Check(Selection())
    before = compile_source(source)
    safely = apply_fixes(texts, check, unsafe=False)
    (fixed,) = safely.texts.sources.values()
    after = compile_source(fixed)
    if before.program is not None:
        assert after.program is not None
        assert after.program.bridge == before.program.bridge
        assert after.program.spec.data == before.program.spec.data
    assert not any(item.fix.safe for item in safely.linted.found if item.fix is not None)
    mended = apply_fixes(texts, check, unsafe=True)
    assert mended.count >= safely.count
    for result in (safely, mended):
        (text,) = (item.text for item in result.texts.sources.values())
        # Behind `# hvae: ignore[...]` it is the reason of that comment, and is removed with it.
        comments = [len(re.findall(r"^[^#\n]*# c", item, flags=re.MULTILINE)) for item in (text, source.text)]
        assert comments[0] == comments[1], "no fix removes a comment that suppresses nothing"


def test_the_words_are_a_spec() -> None:
    source = Source("spec.hvae", text_of([]), Path("spec.hvae"))
    linted = Check(Selection())(Texts({place_of(source): source}))
    assert {item.code for item in linted.found} == {"HV502", "HV503", "HV590"}
