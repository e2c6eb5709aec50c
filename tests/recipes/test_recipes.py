"""Each recipe of docs/architecture.md, followed once: the files that it names are enough."""

from __future__ import annotations

import numpy as np
import pytest

from tests.recipes.conftest import Tree

pytestmark = pytest.mark.long

RULE = '''"""A width that is a prime number (HV598)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit


class PrimeWidth(Diagnostic):
    """HV598."""

    code = "HV598"
    severity = Severity.ADVICE
    title = "the width {width} is prime"
    label = "no factor"
    help = "write a width with factors, such as {width} + 1"
    why = "A test adds this rule."
    rests_on = "Chosen here."
    bad = spec(model="width = 17  latent = 4")
    good = spec()

    width: int


def check(unit: Unit) -> Iterator[Diagnostic]:
    """The width has a factor."""
    width = unit.spec.model.width
    if width > 3 and all(width % factor for factor in range(2, width)):
        yield PrimeWidth(span=unit.origin("model.width"), width=width)


ADVICE = (Rule(check, ("model.width",)),)
'''


@pytest.mark.recipe("A rule")
def test_a_rule(tree: Tree) -> None:
    tree.write("hvaedsl/rules/width_without_factor.py", RULE)
    tree.pytest("tests/test_goldens.py", "--update-goldens")
    tree.hvaedsl("explain", "--markdown", "docs/rules")
    assert "the width 17 is prime" in (tree.path / "tests" / "goldens" / "HV598.err").read_text()
    assert "HV598.md" in (tree.path / "docs" / "rules" / "README.md").read_text()
    tree.pytest("tests/test_goldens.py", "tests/rules", "tests/test_layers.py", "-k", "HV598 or discovery or layers")
    assert "A test adds this rule." in tree.hvaedsl("explain", "HV598")


@pytest.mark.recipe("A key")
def test_a_key(tree: Tree) -> None:
    tree.insert(
        "hvaedsl/ir/training.py",
        "    ema_decay: ",
        '    patience: Annotated[int, Key(Whole(0), "steps without an update before training stops")] = 1000\n',
    )
    tree.insert(
        "docs/language.md",
        "| `train.ema_decay` ",
        "| `train.patience` | whole number | 1000 | steps without an update before training stops |\n",
    )
    tree.insert("runtime/hvaedsl_runtime/train/step.py", "class TrainingStep:", READER)
    tree.pytest("tests/test_schema.py")
    assert "patience" in tree.hvaedsl("show", "digits", "--set", "train.patience=7")
    tree.run("-c", "import hvaedsl; assert hvaedsl.load('digits', sets={'train.patience': 7}).training().patience == 7")
    spec = (tree.path / "specs" / "digits.hvae").read_text().replace("train {", "train {\n  patience = 7")
    (tree.path / "patient.hvae").write_text(spec)
    assert "patience  1000 -> 7" in tree.hvaedsl("diff", "digits", "patient.hvae", "--exit-zero")


READER = '''def gives_up(skipped_in_a_row: int, training: TrainingSpec) -> bool:
    """Whether training stops."""
    return skipped_in_a_row > training.patience


'''

READER_OF_IMAGES = '''"""Squares: one array for each part."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.npy import open_npy
from hvaedsl_runtime.data.published.source import Source, find_files, origins_of_files, part_of_images


def squares(spec: DataSpec, root: Path) -> Source:
    """The arrays squares-train.npy and squares-test.npy."""
    train, test = find_files(root, "squares-train.npy")[0], find_files(root, "squares-test.npy")[0]
    return Source(
        layout="two arrays",
        origins=origins_of_files([train, test]),
        parts={
            "train": part_of_images(open_npy(train, spec), spec),
            "test": part_of_images(open_npy(test, spec), spec),
        },
    )
'''


@pytest.mark.recipe("A dataset")
def test_a_dataset(tree: Tree) -> None:
    tree.insert(
        "hvaedsl/ir/datasets.py", '    Dataset("celeba"', '    Dataset("squares", 8, 1, validation=10, training=30),\n'
    )
    tree.write("runtime/hvaedsl_runtime/data/published/squares.py", READER_OF_IMAGES)
    readers = "runtime/hvaedsl_runtime/data/published/__init__.py"
    tree.insert(readers, '    "celeba": celeba,', '    "squares": squares,\n')
    tree.insert(readers, '    "celeba": {', '    "squares": {"train": 40, "test": 8},\n')
    tree.insert(readers, "\n__all__", "from hvaedsl_runtime.data.published.squares import squares\n")
    page = (tree.path / "docs" / "language.md").read_text()
    tree.write("docs/language.md", page.replace("`celeba`, `ffhq256`", "`squares`, `celeba`, `ffhq256`"))
    tree.pytest("tests/test_goldens.py", "--update-goldens", "-k", "HV206")
    tree.hvaedsl("explain", "--markdown", "docs/rules")
    tree.pytest("tests/test_schema.py")

    published = tree.path.parent / f"{tree.path.name}-published"
    published.mkdir()
    for part, count in (("train", 40), ("test", 8)):
        np.save(published / f"squares-{part}.npy", np.arange(count * 64, dtype=np.uint8).reshape(count, 8, 8, 1))
    tree.hvaedsl("data", "prepare", "squares", "--from", str(published), "--out", str(published / "out"))
    code = (
        "import hvaedsl\n"
        "from hvaedsl_runtime.data import open_split\n"
        f"sets = {{'data.dataset': 'squares', 'data.path': '\"{published / 'out'}\"'}}\n"
        "data = hvaedsl.load('digits', sets=sets).spec.data\n"
        "assert [len(open_split(data, split)) for split in ('train', 'validation', 'test')] == [30, 10, 8]\n"
    )
    tree.run("-c", code)


COMMAND = '''"""`hvaedsl depth`."""

from __future__ import annotations

import typer

from hvaedsl.cli.options import Sets, SpecPath, pairs


def depth(spec: SpecPath, sets: Sets = None) -> None:
    """Print the stochastic depth of a spec.

    Example: [bold]hvaedsl depth specs/digits.hvae[/]
    """
    from hvaedsl.program import load

    typer.echo(load(spec, sets=pairs(sets, "--set")).cost.stochastic_depth)
'''


@pytest.mark.recipe("A command")
def test_a_command(tree: Tree) -> None:
    tree.write("hvaedsl/cli/depth.py", COMMAND)
    tree.insert("hvaedsl/cli/command_table.py", '        "lsp": (', '        "depth": ("depth", "depth"),\n')
    assert tree.hvaedsl("depth", "digits", "--set", "model.decoder=1x1, 8m1").strip() == "2"
    assert "Print the stochastic depth of a spec." in tree.hvaedsl("--help")
    tree.pytest("tests/docs/test_options.py", "--update-goldens")
    assert "depth" in (tree.path / "docs" / "options.md").read_text()
    tree.pytest("tests/cli/test_help.py", "tests/cli/test_what_is_imported.py", "-k", "depth or table")
