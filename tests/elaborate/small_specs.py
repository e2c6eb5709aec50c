"""A small spec with a mistake in one of its parts, what is found in it, and the text that a fix gives."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, edited
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source

SPEC = """hvae 1
data {{ dataset = npy  path = "x"  channels = 1  resolution = {resolution}  {data} }}
model {{
  width = 16  latent = 4  {model}
  encoder = {encoder}
  decoder = {decoder}
}}
train {{ {train} }}
sample {{ {sample} }}
"""


def spec(
    encoder: str = "8x2, 8d2, 4x1",
    decoder: str = "4x1, 8m4, 8x2",
    *,
    data: str = "",
    model: str = "",
    train: str = "",
    sample: str = "",
    resolution: str = "8",
) -> str:
    return SPEC.format(
        encoder=encoder, decoder=decoder, data=data, model=model, train=train, sample=sample, resolution=resolution
    )


def errors(text: str) -> list[Diagnostic]:
    found = compile_source(Source("spec", text)).diagnostics
    return [item for item in found if item.severity is Severity.ERROR]


def only(text: str) -> Diagnostic:
    (found,) = errors(text)
    return found


def fixed(text: str, finding: Diagnostic) -> str:
    assert finding.fix is not None
    return edited(text, finding.fix.edits)
