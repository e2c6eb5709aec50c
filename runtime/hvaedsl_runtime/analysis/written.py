"""Results as files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hvaedsl_runtime.analysis.base import Drawing, Result
from hvaedsl_runtime.analysis.figures import png, svg
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import refusals_explained, write_whole


def result_json(result: Result) -> str:
    """Title, text and data as JSON text."""
    return json_text({"title": result.title, "text": result.text, **result.data}, indent=2) + "\n"


def write_result(result: Result, folder: Path) -> list[Path]:
    """NAME.json with text and data, and every drawing as PNG, plots as SVG too; the files, in that order.

    Raises WriteError.
    """
    files: list[tuple[str, str | bytes]] = [(f"{result.name}.json", result_json(result))]
    return write_files(folder, [*files, *drawn(result.drawings)])


def drawn(drawings: Iterable[Drawing]) -> list[tuple[str, bytes]]:
    """File names and contents of drawings."""
    files: list[tuple[str, bytes]] = []
    for drawing in drawings:
        if not drawing.images:
            files.append((f"{drawing.stem}.svg", svg(drawing.figure)))
        files.append((f"{drawing.stem}.png", png(drawing.figure)))
    return files


def write_files(folder: Path, files: Iterable[tuple[str, str | bytes]]) -> list[Path]:
    """Write files into a folder, each whole or not at all. Raises WriteError, for a command that has --out."""
    paths = []
    for name, content in files:
        path = folder / name
        with refusals_explained(path, "name another place with --out"):
            write_whole(path, content)
        paths.append(path)
    return paths
