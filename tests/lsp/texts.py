"""Texts of the language server's tests: `|` is where the cursor stands."""

from __future__ import annotations

from pathlib import Path

from lsprotocol.types import PositionEncodingKind

from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.analyzed import AnalyzedText, compiled
from hvaedsl.lsp.position import Lines
from hvaedsl.program import Program

GOOD = """\
hvae 1
let n = 3

data {
  dataset = cifar10
}

model {
  width   = 32
  latent  = 4
  encoder = 32x2, 32d2, 2*16r$n, 16d4, 4x1@low  # hvae: ignore[HV513]
  decoder = 4r2@top, 16m4, 2*(16r$n), 32m16, 32x2  # hvae: ignore[HV513]
}

train {
  kl { free_nats = 0.1 }
}
"""


def analyze(source: Source, *, before: Program | None = None) -> AnalyzedText:
    """The source, compiled; `before` is the program of an earlier text."""
    return compiled(AnalyzedText(source, Lines(source.text, PositionEncodingKind.Utf16), before=before))


def at_cursor(text: str, path: Path | None = None, before: AnalyzedText | None = None) -> tuple[AnalyzedText, int]:
    """The analysis of a text without its `|`, and where that stood."""
    offset = text.index("|")
    good = before.last_good if before is not None else None
    return analyze(Source("spec.hvae", text.replace("|", "", 1), path), before=good), offset


def analyzed(text: str, path: Path | None = None) -> AnalyzedText:
    return analyze(Source("spec.hvae", text, path))
