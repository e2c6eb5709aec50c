"""Specs with one thing about them, and the advice that they get."""

from __future__ import annotations

import hvaedsl
from hvaedsl.program import Program

SPEC = """hvae 1
{more}
data {{ dataset = {dataset} }}
model {{
  width = {width}  latent = 4  {model}
  encoder = {encoder}
  decoder = {decoder}
}}
{rest}
"""


def text(
    encoder: str = "8x2, 8d2, 4x1",
    decoder: str = "4x1, 8m4, 8x2",
    *,
    dataset: str = "digits",
    width: int = 16,
    model: str = "",
    more: str = "",
    train: str = "",
    rest: str = "",
) -> str:
    rest += f" train {{ {train} }}" * bool(train)
    return SPEC.format(
        encoder=encoder, decoder=decoder, dataset=dataset, width=width, model=model, more=more, rest=rest
    )


def compiled(*stacks: str, **parts: object) -> Program:
    return hvaedsl.loads(text(*stacks, **parts))  # type: ignore[arg-type]


def found(*stacks: str, **parts: object) -> list[tuple[str, str]]:
    """The code of each piece of advice, and the text that it points at; not of names without use, tested elsewhere."""
    advice = compiled(*stacks, **parts).advice
    return [(item.code, item.span.text) for item in advice if item.code not in ("HV513", "HV514")]


RUN = "steps = 100k  batch_size = 16  learning_rate = 2e-4  ema_decay = 0.9999"


def of_cifar(train: str) -> list[tuple[str, str]]:
    return found("32x2, 32d2, 16x1", "16x1, 32m16, 32x2", dataset="cifar10", train=train)
