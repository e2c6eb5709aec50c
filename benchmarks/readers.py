"""Counts the errors of a reader who has seen the start of the language page and one spec.

`compile TASK FILE --log LOG` compiles an answer as `hvaedsl compile` does, and adds a line to the log: task and
errors. `score LOG FOLDER` compares the last answers, `FOLDER/NN.hvae`, with the specs of `benchmarks/readers`:
an answer that compiles counts one error if its bridge is another one, names of weight groups aside.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Severity
from hvaedsl.ir.bridge_text import bridge_json
from hvaedsl.program import compile_source
from hvaedsl.report.full import full_text
from hvaedsl.syntax.text import read_source

REFERENCES = Path(__file__).parent / "readers"


def compile_answer(task: int, file: Path, log: Path) -> str:
    """Compile an answer, add its number of errors to the log, and return what the reader sees."""
    compilation = compile_source(read_source(file))
    errors = [item for item in compilation.diagnostics if item.severity is Severity.ERROR]
    with log.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"task": task, "errors": [item.code for item in errors]}) + "\n")
    return full_text(errors) if errors else f"{file} compiles: {compilation.program!r}"


def is_reference(task: int, file: Path) -> bool:
    """Whether the answer is the model of the task."""
    reference = hvaedsl.load(REFERENCES / f"{task:02}.hvae")
    try:
        answer = hvaedsl.load(file)
    except hvaedsl.SpecError:
        return False
    return _without_names(answer) == _without_names(reference)


def score(log: Path, folder: Path) -> dict[int, int]:
    """The number of errors of each task in the log."""
    errors: Counter[int] = Counter()
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        errors[entry["task"]] += len(entry["errors"])
    return {
        task: count + (not is_reference(task, folder / f"{task:02}.hvae")) for task, count in sorted(errors.items())
    }


def _without_names(program: hvaedsl.Program) -> object:
    """The operations, with weight groups numbered in the order of their first application."""
    numbers: dict[tuple[str, str], int] = {}
    found = []
    for op in bridge_json(program.bridge)["operations"]:
        fields = dict(op)
        if "group" in fields:
            stack = "encoder" if fields["kind"] == "encoder_block" else "decoder"
            fields["group"] = numbers.setdefault((stack, fields["group"]), len(numbers))
        found.append(fields)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("compile")
    one.add_argument("task", type=int)
    one.add_argument("file", type=Path)
    one.add_argument("--log", type=Path, required=True)
    whole = commands.add_parser("score")
    whole.add_argument("log", type=Path)
    whole.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "compile":
        sys.stdout.write(f"{compile_answer(given.task, given.file, given.log)}\n")
    else:
        found = score(given.log, given.folder)
        sys.stdout.write(f"{found}: {sum(found.values()) / len(found):.2f} errors a task\n")


if __name__ == "__main__":
    main()
