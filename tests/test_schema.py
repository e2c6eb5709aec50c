"""The schema holds only keys that something reads, and docs/language.md tells the same keys, types and defaults."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import hvaedsl
from hvaedsl.ir.kinds import Choice, Optional
from hvaedsl.ir.spec import SECTIONS, keys
from hvaedsl.ir.spec_text import value_text

ROOT = Path(__file__).parents[1]
SCHEMA_FILE = ROOT / "hvaedsl" / "ir" / "spec.py"
KEYS = {f"{section}.{name}": key for section, fields in SECTIONS.items() for name, key in keys(fields).items()}

# What a section is called where its keys are read: `spec.data.path`, `training.betas`, a parameter `spec: DataSpec`.
HOLDERS = {
    "data": ("data", "spec"),
    "model": ("model",),
    "model.fourier": ("fourier",),
    "model.normalize_state": ("normalize_state",),
    "train": ("train", "training", "training()"),
    "train.kl": ("kl",),
    "train.augment": ("augment",),
    "sample": ("sample",),
    "paper": ("paper",),
}


def attributes_read(path: Path) -> set[tuple[str, str]]:
    """Every `holder.name` that a file reads, the holder by its last word."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)]
    return {(ast.unparse(node.value).rsplit(".", 1)[-1], node.attr) for node in nodes}


FILES = [path for folder in ("hvaedsl", "runtime") for path in (ROOT / folder).rglob("*.py") if path != SCHEMA_FILE]
READ = {found for path in FILES for found in attributes_read(path)}
READ_BY_THE_MODEL = {name for holder, name in attributes_read(SCHEMA_FILE) if holder == "self"}


@pytest.mark.parametrize("dotted", KEYS)
def test_a_key_is_read_by_something(dotted: str) -> None:
    section, _, name = dotted.rpartition(".")
    by_a_method = section.startswith("model") and name in READ_BY_THE_MODEL
    assert by_a_method or any((holder, name) in READ for holder in HOLDERS[section]), f"nothing reads {dotted}"


def test_the_methods_through_which_the_model_reads_its_keys_are_called() -> None:
    of_sections = {("fourier", "exponents_at"), ("normalize_state", "normalization")}
    assert {("model", "width_at"), ("model", "mid_at")} | of_sections <= READ


SPEC = """hvae 1
data { dataset = npy  channels = 1  resolution = 8  binarize = none }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
CHANGES = {
    "data.channels": "3",
    "data.resolution": "16",
    "model.width": "8",
    "model.latent": "2",
    "model.encoder": "8x1, 8d2, 4x1",
    "model.decoder": "4x2, 8m4, 8x2",
    "model.widths": "{4: 32}",
    "model.bottleneck": "0.5",
    "model.bias_up_to": "4",
    "model.likelihood": "mixture_of_logistics(3)",
    "model.processing": "synchronous",
    "model.cell": "nvae",
    "model.block": "attention",
    "model.skips": "none",
    "model.pooling": "strided",
    "model.fourier.at": "sample",
    "model.fourier.exponents": "3",
    "model.normalize_state.over": "batch",
    "model.normalize_state.norm": "rms",
}

# What else has to be written for a key to say something.
NEEDS: dict[str, dict[str, str]] = {
    "model.fourier.exponents": {"model.fourier.at": "sample"},
    "model.normalize_state.over": {"model.normalize_state.norm": "l2"},
}


@pytest.mark.parametrize("dotted", CHANGES)
def test_a_key_of_the_model_changes_the_bridge(dotted: str) -> None:
    sets = {dotted: CHANGES[dotted]}
    if dotted == "data.resolution":
        sets |= {"model.encoder": "16x2, 16d2, 8x1", "model.decoder": "8x1, 16m8, 16x2"}
    needed = NEEDS.get(dotted, {})
    assert hvaedsl.loads(SPEC, sets=needed | sets).bridge != hvaedsl.loads(SPEC, sets=needed).bridge


def test_every_key_of_the_model_is_changed_above() -> None:
    assert {key for key in KEYS if key.startswith("model.")} <= set(CHANGES)


class Row(NamedTuple):
    """A row of the table of keys."""

    key: str
    type: str
    default: str
    meaning: str


def documented() -> dict[str, Row]:
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    rows = [Row(*found) for found in re.findall(r"^\| `([\w.]+)` \| (.*?) *\| (.*?) *\| (.*) \|$", text, re.MULTILINE)]
    assert len({row.key for row in rows}) == len(rows), "a key has two rows"
    return {row.key: row for row in rows}


ROWS = documented()


def test_the_table_has_the_keys_of_the_schema_in_their_order() -> None:
    assert list(ROWS) == list(KEYS)


@pytest.mark.parametrize("dotted", KEYS)
def test_a_row_says_what_the_schema_says(dotted: str) -> None:
    section, _, name = dotted.rpartition(".")
    key, row, field = KEYS[dotted], ROWS[dotted], SECTIONS[section].model_fields[name]
    plain = row.default.replace("`", "")
    if key.required != "no":
        assert plain == "", "a required key has no default"
    elif field.is_required():
        assert plain, "the default depends on other keys: the table says how"
    else:
        assert plain == value_text(field.get_default(call_default_factory=True))
    assert row.meaning
    assert ("none" in row.type) == (
        isinstance(key.kind, Optional) or (isinstance(key.kind, Choice) and "none" in key.kind.symbols)
    )
    if isinstance(key.kind, Choice):
        assert all(symbol in row.type + row.meaning for symbol in key.kind.symbols)


def test_the_required_keys_are_listed() -> None:
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    found = re.search(r"^- to compile: (.*)\n- to train, in addition: (.*)$", text, re.MULTILINE)
    assert found is not None
    for listed, required in zip(found.groups(), ("always", "to train"), strict=True):
        assert re.findall(r"`(\S+)`", listed) == [name for name, key in KEYS.items() if key.required == required]
