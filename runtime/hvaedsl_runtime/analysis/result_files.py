"""Writing results and figures to files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl_runtime.analysis.base import Drawing, Result
from hvaedsl_runtime.analysis.figures import png, svg
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import write_whole

ANOTHER_PLACE = "choose another location with --out"


def result_json(result: Result) -> str:
    """Title, text and data as JSON text."""
    return json_text({"title": result.title, "text": result.text, **result.data}, indent=2) + "\n"


def write_result(result: Result, folder: Path) -> list[Path]:
    """Write NAME.json with title, text and data, then every figure, and return the paths. Raises WriteError."""
    files: list[tuple[str, str | bytes]] = [(f"{result.name}.json", result_json(result))]
    return write_files(folder, [*files, *drawing_files(result.drawings)])


def drawing_files(drawings: Iterable[Drawing]) -> list[tuple[str, bytes]]:
    """The names and contents of the files of drawings: plots as SVG and PNG, grids of images as PNG."""
    files: list[tuple[str, bytes]] = []
    for drawing in drawings:
        if not drawing.images:
            files.append((f"{drawing.stem}.svg", svg(drawing.figure)))
        files.append((f"{drawing.stem}.png", png(drawing.figure)))
    return files


def write_files(folder: Path, files: Iterable[tuple[str, str | bytes]]) -> list[Path]:
    """Write files into a folder, each whole or not at all, and return the paths.

    Raises WriteError, with the help of a command that has --out.
    """
    paths = []
    for name, content in files:
        path = folder / name
        with refusals_explained(path, ANOTHER_PLACE):
            write_whole(path, content)
        paths.append(path)
    return paths
