"""A base and a spec with arithmetic, named lists and the base's list."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.analyzed import AnalyzedText
from tests.lsp.texts import analyze

BASE = """\
# The base of the tests.
hvae 1
let n = 3

data {
  dataset = cifar10
}

model {
  width   = 32
  latent  = 4
  encoder = 32r2@low, 32d2  # hvae: ignore[HV513]
  decoder = 16x1, 32m16  # hvae: ignore[HV513]
  fourier { at = sample  exponents = 1, 2 }
}
"""
LISTS = """\
hvae 1
extends "base.hvae"
let m     = 2*$n + 1
let stage = (16r$n, 2*16x2)
let both  = ($stage, 16r($m - 4)@low)

model {
  width   = 24*($m - 5)
  encoder = $base, $stage, 16d4, 2*4x2, 4r2@low
  decoder = 4x1, 16m4, 2*$both, 32m16, 32x2, 32r3
  fourier { at = $base, block }
}
"""


def write_base(folder: Path) -> Path:
    """Write the base into a folder; the path of the spec beside it."""
    (folder / "base.hvae").write_text(BASE)
    return folder / "spec.hvae"


def lists(folder: Path, text: str = LISTS, before: AnalyzedText | None = None) -> AnalyzedText:
    """The analysis of the spec, or of another text in its place."""
    good = before.last_good if before is not None else None
    return analyze(Source("spec.hvae", text, write_base(folder)), before=good)


def at(folder: Path, old: str, new: str, before: AnalyzedText | None = None) -> tuple[AnalyzedText, int]:
    """The spec with a part replaced by one with a `|`, and where that is."""
    assert LISTS.count(old) >= 1, old
    text = LISTS.replace(old, new, 1)
    return lists(folder, text.replace("|", "", 1), before), text.index("|")
