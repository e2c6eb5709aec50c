"""The excerpts of an emitted file in docs/export.md are those of the file that is emitted."""

from __future__ import annotations

from pathlib import Path

import hvaedsl

ROOT = Path(__file__).parents[2]


def test_the_excerpts_stand_in_the_emitted_file() -> None:
    emitted = hvaedsl.load("mnist_ws.hvae").python_source()
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    excerpts = [block for block in blocks if block.startswith("def ")]
    assert len(excerpts) == 2
    for excerpt in excerpts:
        assert excerpt.rstrip() in emitted
    assert "class MnistWs(HierarchicalVAE):" in emitted
