"""One cause is one finding."""

from __future__ import annotations

import pytest

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, edited
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source


def errors(text: str) -> list[Diagnostic]:
    found = compile_source(Source("a.hvae", text)).diagnostics
    return [item for item in found if item.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (spec(top="hvae 1\nlet n = 1.5", encoder="8x$n, 8d$n, 4x1"), ["HV213"]),
        (spec(top="hvae 1\nlet n = 0.5", model="width = 16  latent = 4  widths = {4: $n}"), ["HV213"]),
        (spec(top="hvae 1\nlet n 3", encoder="8x$n, 8d2, 4x1"), ["HV101"]),
        (spec(top="hvae 1\nlet n = ?", encoder="8x$n, $n*8x1, 8d2, 4x1"), ["HV102"]),
        (spec(encoder="8x$n, 8d2, 4x1", rest="train { kl { sampled_layers = 4 } }"), ["HV208"]),
        (spec(decoder="4x1, 8m4, 8x", rest="train { kl { sampled_layers = 4 } }"), ["HV113"]),
        (spec(data="dataset = npy  channels = x  resolution = 8"), ["HV204"]),
        (spec(data="dataset = npy  channels = 3  resolution = 3x32"), ["HV204"]),
        (spec(data="dataset = npy  resolution = x"), ["HV214", "HV204"]),  # `channels` is missing too
        (spec(rest="model { width = 16  latent = 4 }"), ["HV203"]),
        (spec(rest="train { kl { free_nats = 1 } }\ntrain { steps = 2  kl { free_nats = 2 } }"), ["HV203"]),
        (spec().replace("latent", "}  latent"), ["HV104"]),
        ('hvae 1\nextends "cifar.hvae"\nmodel { encoder = 8x2 8d2 }', ["HV101"]),
        (
            'hvae 1\nextends "cifar.hvae"\nmodel { encodr = 8x2, 8d2  decodr = 4x1 }\ndata { dataset = digits }',
            ["HV201"] * 2,
        ),
        ('hvae 1\nextends "cifar.hvae"\nmodl { encoder = 8x2, 8d2 }\ndata { dataset = digits }', ["HV202"]),
        ("hvae 1", ["HV207"]),
        ("", ["HV119"]),
        ("# a comment", ["HV119"]),
    ],
)
def test_nothing_follows_from_a_mistake(text: str, codes: list[str]) -> None:
    assert [item.code for item in errors(text)] == codes


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (spec(rest="foo = 1\nbar = 2\nwidth = 3"), ["foo", "bar", "width"]),
        (spec(model="foo = 1  bar = 2  width = 16  latent = 4"), ["foo", "bar"]),
        (spec(model="foo { a = 1 }  bar { b = 2 }  width = 16  latent = 4"), ["foo", "bar"]),
        (spec(rest="foo { a = 1 }\nbar { b = 1 }"), ["foo", "bar"]),
        (spec(rest="train { kl { foo = 1  bar = 2 } }"), ["foo", "bar"]),
    ],
)
def test_neighboring_unknown_names_are_all_reported(text: str, names: list[str]) -> None:
    assert [item.span.text for item in errors(text)] == names


def test_removing_the_brace_that_is_too_early() -> None:
    (found,) = errors(spec().replace("latent", "}  latent"))
    assert found.fix is not None
    assert errors(edited(found.span.source.text, found.fix.edits)) == []


@pytest.mark.parametrize(
    "given",
    [
        "",
        "data { dataset = digits }",
        "data { dataset = npy  channels = 3  resolution = 30 }",
        "data { dataset = npy  channels = 1  resolution = 7 }",
        "model { width = 16 }",
        "model { widths = {4: 64, 1: 80}  cell = euler_maruyama }  data { dataset = digits }",
        "model { likelihood = bernoulli }",
        "model { encoder = 8x2, 8d2, 4x1 }",
        "data { dataset = digits }  model { encoder = 8x2, 8d4, 2x1, 2d2, 1x1 }",
        "data { dataset = digits }  model { decoder = 1r2, 2m1, 2x1, 8m2, 8x1 }",
        "model { decoder = 1r2, 2m1, 2x1, 6m2, 6x1 }",
        "data { }  model { }",
    ],
)
def test_the_help_for_missing_keys_compiles(given: str) -> None:
    (found,) = errors(f"hvae 1\n{given}\n")
    assert isinstance(found, MissingKey)
    text = f"hvae 1\n{given}\n"
    for section, keys, has_section in found.additions:
        assert f"`{keys}` to `{section}`" in found.help_text or f"`{section} {{ {keys} }}`" in found.help_text
        text = (
            text.replace(f"{section} {{", f"{section} {{ {keys} ") if has_section else f"{text}{section} {{ {keys} }}\n"
        )
    assert errors(text) == [], text
