"""Every fix mends its finding, brings no other, and a safe one leaves the model as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.check import Check
from hvaedsl.lint.fixes import apply_fixes
from hvaedsl.lint.linted import Linted
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.texts import Texts, place_of
from hvaedsl.program import Compilation, Program, compile_source
from hvaedsl.rules import KINDS
from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.notation import repair

SAFE = {"HV105", "HV120", "HV123", "HV125", "HV502", "HV509", "HV510", "HV515", "HV590"}
UNSAFE = {
    *("HV101", "HV102", "HV104", "HV110", "HV118"),
    *("HV121", "HV122", "HV124", "HV126", "HV127", "HV129", "HV512"),
    *("HV201", "HV202", "HV203", "HV204", "HV206", "HV216", "HV217", "HV219", "HV221", "HV223", "HV224", "HV225"),
    *(
        "HV227",
        "HV228",
        "HV229",
        "HV240",
        "HV244",
        "HV251",
        "HV255",
        "HV256",
        "HV273",
        "HV274",
        "HV275",
        "HV276",
        "HV301",
        "HV302",
        "HV303",
        "HV304",
        "HV306",
        "HV307",
        "HV311",
        "HV316",
        "HV320",
    ),
    *("HV401", "HV402", "HV503", "HV513", "HV514", "HV516", "HV517", "HV601"),
}

# Besides the snippets of the rules: the text, the fixed text, and whether the fix is safe.
CASES = {
    "a run in a list and in both stacks": (
        "HV516",
        spec(
            top="hvae 1\nlet n = 2\nlet top = (4x1, 4r$n, 4r2)\n# the stacks",
            encoder="8x1, 8d2, 2*(4x1, 4r$n), $top",
            decoder="4x1, 4r$n, 8m4, 8x9",
        ),
        spec(
            top="hvae 1\nlet n = 2\nlet top = ($stage, 4r2)\nlet stage = (4x1, 4r$n)\n# the stacks",
            encoder="8x1, 8d2, 2*($stage), $top",
            decoder="$stage, 8m4, 8x9",
        ),
        False,
    ),
    "arithmetic behind an operator": (
        "HV517",
        spec(encoder="8x(1 + 1), 8d2, 4x1"),
        spec(encoder="8x(2), 8d2, 4x1"),
        False,
    ),
    "arithmetic in a constant": (
        "HV517",
        spec(top="hvae 1\nlet n = 4/2", decoder="4x1, 8m4, 8x$n"),
        spec(top="hvae 1\nlet n = 2", decoder="4x1, 8m4, 8x$n"),
        False,
    ),
    "a sign before a number": (
        "HV101",
        spec(model="width = + 16  latent = 4"),
        None,
        False,
    ),
    "a space before an argument": (
        "HV101",
        spec(top="hvae 1\nlet n = 2", encoder="8r ($n + 1), 8d2, 4x1"),
        spec(top="hvae 1\nlet n = 2", encoder="8r($n + 1), 8d2, 4x1"),
        False,
    ),
    "a hyphen in a word": (
        "HV206",
        spec(data="dataset = fashion-mnist", encoder="32x1, 32d4, 8x1", decoder="8x1, 32m8, 32x1"),
        spec(data="dataset = fashion_mnist", encoder="32x1, 32d4, 8x1", decoder="8x1, 32m8, 32x1"),
        False,
    ),
    "a word with a hyphen in place of a string": (
        "HV204",
        spec(data="dataset = digits", rest="paper { table = G-6 }"),
        spec(data="dataset = digits", rest='paper { table = "G-6" }'),
        False,
    ),
    "a constant without its sign": (
        "HV242",
        spec(top="hvae 1\nlet n = 2", model="width = 8*n  latent = 4", decoder="4x1, 8m4, 8x$n"),
        spec(top="hvae 1\nlet n = 2", model="width = 8*$n  latent = 4", decoder="4x1, 8m4, 8x$n"),
        False,
    ),
    "a comma at the end of a list": (
        "HV101",
        spec(encoder="8x2, 8d2, 4x1,"),
        spec(encoder="8x2, 8d2, 4x1"),
        True,
    ),
    "an invisible character": ("HV102", spec(encoder="8x2, 8\u200bd2, 4x1"), spec(), True),
    "an operator and the name of a constant": (
        "HV112",
        spec(top="hvae 1\nlet n = 2", encoder="8xn, 8d2, 4x1"),
        spec(top="hvae 1\nlet n = 2", encoder="8x$n, 8d2, 4x1"),
        False,
    ),
    "a path that ends in a backslash": (
        "HV114",
        spec(data='dataset = digits  path = "C:\\new\\" '),
        spec(data='dataset = digits  path = "C:/new/" '),
        False,
    ),
    "a full-width digit": ("HV102", spec(encoder="8x２, 8d2, 4x1"), spec(encoder="8x2, 8d2, 4x1"), False),
    "a constant": (
        "HV208",
        spec(top="hvae 1\nlet count = 3", encoder="8x$cuont, 8d2, 4x1"),
        spec(top="hvae 1\nlet count = 3", encoder="8x$count, 8d2, 4x1"),
        False,
    ),
    "a constant as a value": (
        "HV208",
        spec(top="hvae 1\nlet count = 16", model="width = $cuont  latent = 4"),
        spec(top="hvae 1\nlet count = 16", model="width = $count  latent = 4"),
        False,
    ),
    "a shape that the dataset has": (
        "HV221",
        spec(data="dataset = digits  channels = 3"),
        spec(data="dataset = digits"),
        False,
    ),
    "a block list in quotes": (
        "HV204",
        spec(encoder='"8x2, 8d2, 4x1"'),
        spec(encoder="8x2, 8d2, 4x1"),
        False,
    ),
    "a word in quotes": ("HV204", spec(data='dataset = digits  binarize = "none"'), None, False),
    "a word without quotes": (
        "HV204",
        spec(data="dataset = digits  path = images"),
        spec(data='dataset = digits  path = "images"'),
        False,
    ),
    "a constant defined twice": (
        "HV203",
        spec(top="hvae 1\nlet n = 3\nlet n = 4  # four", decoder="4x1, 8m4, 8x$n"),
        None,
        False,
    ),
    "a place of features written twice": (
        "HV216",
        spec(model="width = 16  latent = 4  fourier { at = sample, block, sample }"),
        spec(model="width = 16  latent = 4  fourier { at = sample, block }"),
        True,
    ),
    "some of the widths": (
        "HV502",
        spec(model="width = 16  latent = 4  widths = {2: 64, 4: 32, 1: 64}"),
        spec(model="width = 16  latent = 4  widths = {4: 32}"),
        True,
    ),
    "the last width": (
        "HV502",
        spec(model="width = 16  latent = 4  widths = {4: 32, 2: 64, 1: 64}"),
        spec(model="width = 16  latent = 4  widths = {4: 32}"),
        True,
    ),
    "all temperatures": (
        "HV502",
        spec(rest="sample { temperature = {2: 0.5} }"),
        spec(rest="sample { temperature = {} }"),
        True,
    ),
    "one block without a mix-in": (
        "HV503",
        spec(decoder="4x1, 8"),
        spec(decoder="4x1, 8m4"),
        False,
    ),
    "one labeled block without a mix-in": (
        "HV503",
        spec(decoder="4x1, 8x1@g, 8x1@g"),
        spec(decoder="4x1, 8m4@g, 8x1@g"),
        False,
    ),
    "one code of several": (
        "HV590",
        spec(model="width = 16  latent = 4  widths = {2: 32}  # hvae: ignore[HV501, HV502] wide"),
        spec(model="width = 16  latent = 4  widths = {2: 32}  # hvae: ignore[HV502] wide"),
        True,
    ),
    "a code twice": (
        "HV590",
        spec(model="width = 16  latent = 4  widths = {2: 32}  # hvae: ignore[HV502, HV502]"),
        spec(model="width = 16  latent = 4  widths = {2: 32}  # hvae: ignore[HV502]"),
        True,
    ),
    "a code of an error": (
        "HV590",
        spec(model="width = 16  latent = 4  # see below  # hvae: ignore[HV303]"),
        spec(model="width = 16  latent = 4  # see below"),
        True,
    ),
    "a comment on a line of its own": (
        "HV590",
        spec(model="width = 16  latent = 4\n  # hvae: ignore[HV502] it was wide once"),
        spec(model="width = 16  latent = 4"),
        True,
    ),
}


def lint(texts: Texts) -> Linted:
    return Check(Selection())(texts)


def texts_of(folder: Path, text: str, name: str = "spec.hvae") -> Texts:
    source = Source(name, text, folder / name)
    return Texts({place_of(source): source})


def text_in(texts: Texts) -> str:
    (source,) = texts.sources.values()
    return source.text


def the_finding(found: tuple[Diagnostic, ...], code: str) -> Diagnostic:
    (item,) = (item for item in found if item.code == code)
    return item


def compiled(linted: Linted) -> Compilation:
    (result,) = linted.results
    return compile_source(result.sources[-1])


def program(linted: Linted) -> Program:
    compilation = compiled(linted)
    assert compilation.program is not None
    return compilation.program


def check_one(folder: Path, code: str, bad: str, safe: bool) -> str:
    before = texts_of(folder, bad)
    found = lint(before)
    item = the_finding(found.found, code)
    assert item.fix is not None
    assert item.fix.safe is safe
    assert all(edit.span.source is item.span.source for edit in item.fix.edits), "a fix mends its own file"
    after, count = before.edited([item.fix])
    assert count == 1
    assert lint(after).found == (), "what was found is gone, and nothing else is found"
    mended = apply_fixes(before, lint, unsafe=True)
    assert (text_in(mended.texts), mended.count, mended.linted.found) == (text_in(after), 1, ())
    untouched = apply_fixes(before, lint, unsafe=False)
    assert untouched.count == safe
    assert (text_in(untouched.texts) == bad) is not safe
    if safe:
        means_the_same(found, lint(after), text_in(before), text_in(after))
    return text_in(after)


def means_the_same(before: Linted, after: Linted, text: str, mended: str) -> None:
    compilation = compiled(before)
    if compilation.program is None:  # it had no meaning: no word of it is lost, none but the version is added
        words, others = (
            [
                str(token)
                for token in hvae_parser().lex(repair(Source("", item)).text)
                if token.type not in ("COMMA", "COMMENT")
            ]
            for item in (text, mended)
        )
        assert [word for word in others if word not in ("hvae", "1")] == [
            word for at, word in enumerate(words) if word not in ("hvae", "1") and not repeated(words, at)
        ]
        return
    one, other = compilation.program, program(after)
    assert one.bridge == other.bridge
    assert one.spec.train == other.spec.train
    assert one.spec.data == other.spec.data
    # What these keys mean is in the bridge; how they are spelled is what the fixes change.
    spelled = {"widths": {}, "encoder": one.spec.model.encoder, "decoder": one.spec.model.decoder}
    assert one.spec.model.model_copy(update=spelled) == other.spec.model.model_copy(update=spelled)


def repeated(words: list[str], at: int) -> bool:
    """A place of features that has been named before."""
    return words[at] == "sample" and "sample" in words[:at]


@pytest.mark.parametrize("code", sorted(SAFE | UNSAFE))
def test_the_snippets_of_the_rules(code: str, tmp_path: Path) -> None:
    check_one(tmp_path, code, KINDS[code].bad, code in SAFE)


def test_no_other_snippet_of_the_rules_has_a_fix(tmp_path: Path) -> None:
    fixed = set()
    for kind in KINDS.values():
        if kind.bad:
            fixed |= {item.code for item in lint(texts_of(tmp_path, kind.bad)).found if item.fix is not None}
    assert fixed == SAFE | UNSAFE


@pytest.mark.parametrize("name", CASES)
def test_other_snippets(name: str, tmp_path: Path) -> None:
    code, bad, good, safe = CASES[name]
    mended = check_one(tmp_path, code, bad, safe)
    assert good is None or mended == good
