"""The small specs that diagnostics show as bad and good examples; the tests compile them."""

from __future__ import annotations


def spec(
    *,
    top: str = "hvae 1",
    data: str = "dataset = digits",
    model: str = "width = 16  latent = 4",
    encoder: str = "8x2, 8d2, 4x1",
    decoder: str = "4x1, 8m4, 8x2",
    rest: str = "",
) -> str:
    """A complete spec of an 8x8 model; the given parts replace valid ones."""
    lines = [
        top,
        f"data {{ {data} }}",
        "model {",
        f"  {model}",
        f"  encoder = {encoder}",
        f"  decoder = {decoder}",
        "}",
        rest,
    ]
    return "\n".join(line for line in lines if line.strip()) + "\n"
