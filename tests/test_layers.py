"""Who may import whom, read from the source: one table for the whole repository."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hvaedsl.pipeline import ANALYSES

ROOT = Path(__file__).parents[1]
# The rows are the files and folders of hvaedsl; `hvaedsl` is its __init__.py. What stands behind each is all that it
# may import of the project, itself aside. A new folder gets a row here.
BOTTOM = {"diagnostics"}
ALLOWED: dict[str, set[str]] = {
    "version": set(),
    "user_cache": set(),
    "nn": set(),
    "diagnostics": set(),
    "shipped": BOTTOM,
    "home_folder": BOTTOM,
    "rewriting": BOTTOM,
    "custom": BOTTOM,
    "ir": BOTTOM,
    "syntax": BOTTOM | {"shipped", "user_cache", "version"},
    "fmt": BOTTOM | {"rewriting", "syntax"},
    "elaborate": BOTTOM | {"shipped", "syntax", "ir"},
    "passes": BOTTOM | {"syntax", "ir"},
    "rules": BOTTOM | {"syntax", "ir", "elaborate", "passes"},  # elaborate: the value of an expression
    "pipeline": BOTTOM | {"ir", "passes", "rules"},
    "lowering": BOTTOM | {"custom", "ir", "passes", "nn"},
    "render": BOTTOM | {"ir"},
    "report": BOTTOM | {"ir", "passes", "rules"},
    "measuring": BOTTOM | {"custom", "ir", "passes", "pipeline", "lowering"},
    "program": BOTTOM
    | {
        "measuring",
        "custom",
        "shipped",
        "version",
        "syntax",
        "ir",
        "elaborate",
        "passes",
        "pipeline",
        "lowering",
        "render",
        "report",
    },
    "hvaedsl": BOTTOM | {"program", "version"},
    "matching": BOTTOM | {"ir", "program"},
    "draft": BOTTOM | {"shipped", "syntax", "ir", "fmt", "program"},
    "diff": BOTTOM | {"syntax", "ir", "passes", "lowering", "render", "report", "program"},
    "lint": BOTTOM
    | {"version", "custom", "rewriting", "shipped", "syntax", "elaborate", "ir", "rules", "report", "program"}
    | {"user_cache", "home_folder"},
    "lsp": BOTTOM
    | {"shipped", "syntax", "fmt", "ir", "elaborate", "passes", "pipeline", "rules", "render", "report", "program"}
    | {"lint"},
    "cli": BOTTOM
    | {"hvaedsl", "custom", "shipped", "syntax", "fmt", "ir", "rules", "report", "render", "program"}
    | {"diff", "draft", "lint", "lsp", "home_folder", "hvaedsl_runtime"},
    "__main__": {"cli"},
}

# The rows of the runtime: its files and folders. Each may also import what COMPILER names of hvaedsl.
GROUND = {"noise", "heartbeat", "rendezvous", "distributed", "console", "drawing", "model"}
RUNTIME: dict[str, set[str]] = {
    "noise": set(),
    "rendezvous": set(),
    "distributed": {"heartbeat", "rendezvous"},
    "heartbeat": set(),
    "console": set(),
    "drawing": set(),
    "model": {"noise"},
    "disk": GROUND,
    "data": GROUND | {"disk"},
    "evaluate": GROUND | {"data", "disk"},
    "train": GROUND | {"evaluate", "data", "disk"},
    "launch": GROUND | {"train", "evaluate", "data", "disk"},
    "convert": GROUND | {"train", "evaluate", "data", "disk"},
    "export": GROUND | {"convert", "evaluate", "data", "disk"},
    "theory": GROUND | {"train", "evaluate", "data", "disk"},
    "analysis": GROUND | {"theory", "evaluate", "data", "disk"},
    "doctor": GROUND | {"evaluate", "data", "disk"},
    "sweep": GROUND | {"launch", "train", "evaluate", "disk"},
}
COMPILER = BOTTOM | {"custom", "hvaedsl", "shipped", "ir", "program", "lowering", "nn", "render", "matching", "report"}
COMPILER |= {"diff", "user_cache", "home_folder"}


@dataclass(frozen=True)
class Import:
    """One import statement: in which file, of which module, which names, and whether a function runs it."""

    path: Path
    line: int
    module: str
    names: tuple[str, ...]
    inside_function: bool
    for_types_only: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.module}"

    @property
    def layer(self) -> str:
        """The layer of the importing file."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        if parts[0] == "runtime":
            return "hvaedsl_runtime"
        return "hvaedsl" if parts[1] == "__init__" else parts[1]

    @property
    def imported_layer(self) -> str | None:
        """The layer of the imported module; None where it is not the project's."""
        package, *rest = self.module.split(".")
        if package == "hvaedsl":
            return rest[0] if rest else "hvaedsl"
        return package if package == "hvaedsl_runtime" else None

    @property
    def room(self) -> str:
        """The file or folder of the runtime that the importing file is in."""
        return self.path.relative_to(ROOT / "runtime" / "hvaedsl_runtime").with_suffix("").parts[0]

    @property
    def imported_room(self) -> str | None:
        """The file or folder of the runtime that is imported; None where it is not the runtime's."""
        package, *rest = self.module.split(".")
        return (rest or ["__init__"])[0] if package == "hvaedsl_runtime" else None


def _imports(path: Path) -> Iterator[Import]:
    def walk(node: ast.AST, inside: bool, types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            function = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            only_types = types or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(path, child.lineno, alias.name, (), inside, types)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: imports are absolute"
                names = tuple(alias.name for alias in child.names)
                yield Import(path, child.lineno, child.module or "", names, inside, types)
            yield from walk(child, function, only_types)

    return walk(ast.parse(path.read_text(encoding="utf-8")), False, False)


FILES = sorted([*(ROOT / "hvaedsl").rglob("*.py"), *(ROOT / "runtime" / "hvaedsl_runtime").rglob("*.py")])
IMPORTS = [item for path in FILES for item in _imports(path)]


def test_every_edge_is_allowed() -> None:
    compiler = [item for item in IMPORTS if item.layer != "hvaedsl_runtime"]
    unknown = {item.layer for item in compiler} - set(ALLOWED)
    assert not unknown, f"no row for {unknown} in the table of {Path(__file__).name}"
    wrong = [str(item) for item in compiler if item.imported_layer not in (None, item.layer, *ALLOWED[item.layer])]
    assert wrong == []


def test_the_tables_have_no_rows_and_no_circles_of_their_own() -> None:
    assert set(ALLOWED) == _rooms(ROOT / "hvaedsl") | {"hvaedsl"}
    assert set(RUNTIME) == _rooms(ROOT / "runtime" / "hvaedsl_runtime")
    for table in (ALLOWED, RUNTIME):
        known = {"hvaedsl_runtime"}  # it has a table of its own, and imports no command
        order: list[str] = []
        while len(order) < len(table):
            ready = [layer for layer, below in table.items() if layer not in order and below <= known | set(order)]
            assert ready, f"a circle among {set(table) - set(order)}"
            order += ready


def _rooms(package: Path) -> set[str]:
    """The modules and packages directly in a package, without its `__init__`."""
    found = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    return found - {"__init__"}


def test_every_edge_of_the_runtime_is_allowed() -> None:
    """Of the compiler and of its own rooms. `python -m` of a module is no import: a process starts there."""
    inside = [item for item in IMPORTS if item.layer == "hvaedsl_runtime"]
    rooms = {item.room for item in inside} - {"__init__"}
    assert rooms == set(RUNTIME), f"the rooms of the runtime are not those of the table of {Path(__file__).name}"
    wrong = [
        str(item)
        for item in inside
        if (item.imported_room is not None and item.imported_room not in {item.room, *RUNTIME[item.room]})
        or (item.imported_layer not in (None, "hvaedsl_runtime", *COMPILER))
    ]
    assert wrong == []


def test_only_commands_import_the_runtime_and_inside_functions() -> None:
    into = [item for item in IMPORTS if item.imported_layer == "hvaedsl_runtime" and item.layer != "hvaedsl_runtime"]
    assert into, "no command imports the runtime"
    assert [str(item) for item in into if item.layer != "cli" or not item.inside_function] == []


def test_torch_is_imported_in_nn_and_the_lowered_module_alone() -> None:
    heavy = ("torch", "torchvision", "numpy", "PIL", "sklearn", "wandb")
    found = [item for item in IMPORTS if item.module.split(".")[0] in heavy and item.layer != "hvaedsl_runtime"]
    lowered = {ROOT / "hvaedsl" / "lowering" / name for name in ("module.py", "custom.py")}
    assert {item.module.split(".")[0] for item in found} == {"torch"}
    assert [str(item) for item in found if item.layer != "nn" and item.path not in lowered] == []


def test_what_writes_source_reads_of_nn_only_what_imports_no_torch() -> None:
    lowering, without_torch = ROOT / "hvaedsl" / "lowering", {"hvaedsl.nn.steps", "hvaedsl.nn.published"}
    read = {
        item.module
        for item in IMPORTS
        if item.imported_layer == "nn" and item.layer == "lowering"
        if item.path not in (lowering / "module.py", lowering / "custom.py")
    }
    assert read == without_torch
    files = {ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in without_torch}
    assert [
        str(item) for item in IMPORTS if item.path in files and item.module.split(".")[0] in ("torch", "hvaedsl")
    ] == []


def test_the_lowered_module_is_imported_when_it_is_asked_for() -> None:
    lowered = ("hvaedsl.lowering.module", "hvaedsl.lowering.custom")
    into = [item for item in IMPORTS if item.module in lowered and item.layer not in ("hvaedsl_runtime", "lowering")]
    assert [str(item) for item in into if not (item.inside_function or item.for_types_only)] == []


def test_a_pass_imports_no_pass_and_a_rule_no_rule() -> None:
    """Rules may name the analyses that the pipeline has run for them: the functions are the keys to their results."""
    analyses = {(function.__module__, function.__name__) for function in ANALYSES}
    for item in IMPORTS:
        if item.layer not in ("passes", "rules") or item.imported_layer not in ("passes", "rules"):
            continue
        if item.module == "hvaedsl.passes.base":
            continue
        assert item.layer == "rules", f"{item}: a pass imports a pass"
        assert {(item.module, name) for name in item.names} <= analyses, f"{item}: no analysis of the pipeline"


def test_rules_do_not_call_analyses() -> None:
    names = {function.__name__ for function in ANALYSES}
    for path in (ROOT / "hvaedsl" / "rules").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called not in names, f"{path.name}: ask the unit for {called}"


def test_files_are_named_after_what_they_hold() -> None:
    nothing = {"utils", "util", "helpers", "helper", "misc", "common"}
    everything = [path for folder in ("hvaedsl", "runtime", "tests", "examples") for path in (ROOT / folder).rglob("*")]
    assert [str(path) for path in everything if path.stem in nothing] == []


def test_files_are_short() -> None:
    assert [str(path) for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) >= 400] == []


@pytest.mark.parametrize(
    "arguments",
    [
        "compile specs/digits.hvae",
        "compile specs/cifar_ws.hvae --emit bridge --json",
        "compile specs/digits.hvae --emit dot",
        "compile specs/cifar_ws.hvae --emit python",
        "show specs/cifar_ws.hvae --provenance",
        "lint specs/digits.hvae specs/mnist.hvae",
        "lint --diff --unsafe-fixes --format sarif specs/digits.hvae specs/mnist.hvae",
        "fmt --diff specs/digits.hvae specs/mnist.hvae",
        "diff specs/cifar.hvae specs/cifar_ws.hvae --exit-zero",
        "explain HV303",
        "explain cell nvae",
        "train --help",
        "lsp --help",
        "sweep --help",
        "convert --help",
        "--version",
    ],
)
def test_commands_of_the_compiler_import_no_torch(arguments: str) -> None:
    code = (
        "import sys, hvaedsl\n"
        "from hvaedsl.cli.main import run\n"
        f"sys.argv = ['hvaedsl', *{arguments.split()!r}]\n"
        "try:\n    run()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'torch', 'numpy', 'torchvision', 'PIL', 'hvaedsl_runtime'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
