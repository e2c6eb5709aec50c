"""The first text of a new spec: one that extends another one, or a small whole one for a data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.printable import printable
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_text
from hvaedsl.ir.datasets import DATASETS, OWN
from hvaedsl.ir.spec_text import string_text
from hvaedsl.program import Compilation, Program, compile_source, source_of
from hvaedsl.shipped import shipped
from hvaedsl.syntax import ast

# What one changes first, and the hint behind it.
_OFTEN_CHANGED = (
    ("model", (("width", "channels of the residual state"), ("latent", "channels of each z"))),
    ("model", (("encoder", ""), ("decoder", ""))),
    ("train", (("steps", ""), ("batch_size", "images per process and step"), ("learning_rate", ""))),
)
_SMALL_WIDTH, _WIDTH, _LATENT = 48, 64, 8
_MOST_PER_PIXEL = 8  # a lower resolution than this is pooled to 1 in one step, where it is odd


def extending(target: Path, base: str) -> str:
    """A spec at `target` that extends `base` (a file, or a shipped spec), with the keys that one changes first.

    Their values are those of the base, as they are written there. Raises `UsageError` where there is no such base, it
    is no whole model, or its name leads elsewhere from `target`; `SpecError` where it has mistakes, or lies outside of
    the project.
    """
    compilation = compile_source(source_of(base))
    program, path = _whole(compilation, base), compilation.documents[-1].source.path
    assert path is not None
    name = _name_of(path, target)
    if (target.parent / name).resolve() == target.resolve():
        raise UsageError(f"{target} would extend itself: give it another name than its base")
    lines = [
        f"# {printable(target.stem)} extends {path.stem}: what is left out here is as it is there.",
        "hvae 1",
        f"extends {string_text(name)}",
        *(f"let {constant} = {value}" for constant, value in _constants(compilation).items()),
    ]
    for section in dict.fromkeys(section for section, _ in _OFTEN_CHANGED):
        lines += [f"{section} {{", *_keys(program, section), "}"]
    text = format_text("\n".join(lines) + "\n")
    made = compile_source(Source(str(target), text, target))
    found = made.documents[-2].source.path if len(made.documents) > 1 else path
    if found is None or not found.samefile(path):
        raise UsageError(f"{name} beside {target} is another spec than {base}, and would be the one that is extended")
    return _sound(text, made)


def standing_alone(target: Path, dataset: str, resolution: int | None, channels: int | None, path: str | None) -> str:
    """A small whole spec for a data set: two blocks a resolution, pooled by 2 down to 1x1 where that goes.

    Resolution (32 by default), channels (3) and path ("images") are for one's own images. Raises `UsageError` where
    they do not fit the data set, or where there is no such data set.
    """
    known = DATASETS.get(dataset)
    if known is None and dataset not in OWN:
        raise UsageError(f"no data set {dataset}: take {', '.join((*DATASETS, *OWN))}")
    data = [f"dataset = {dataset}"]
    if known is None:
        side, channels = resolution or 32, channels or 3
        data += [
            f"path = {string_text(path or 'images')}  # from the working directory",
            f"channels = {channels}",
            f"resolution = {side}",
            "validation = 100  # images held out of the training set",
        ]
    else:
        side = known.resolution
        if resolution not in (None, side) or channels not in (None, known.channels):
            raise UsageError(
                f"{dataset} has {side}x{side} images with {known.channels} channel{'s' * (known.channels > 1)}; "
                "--resolution and --channels are for one's own, folder or npy"
            )
        data += [f"path = {string_text(path)}"] if path is not None else []
    steps, listed = list(_ladder(side)), "\n".join(data)
    # Large images fill a GPU with few, and the published runs on them take smaller steps.
    batch_size, learning_rate = (32, "1e-3") if side <= 128 else (8, "5e-4")
    images = dataset if known is not None else "one's own images"
    text = f"""# {printable(target.stem)}: a small model of {images}. The language on one page: docs/language.md
        hvae 1
        data {{
        {listed}
        }}
        model {{
        width = {_SMALL_WIDTH if side <= 8 else _WIDTH}  # channels of the residual state
        latent = {_LATENT}  # channels of each z
        # RxN: N blocks at resolution R; RrN: one block, applied N times; RdK: a block, then pooling to R/K
        encoder = {", ".join(_encoder(steps))}
        # RmS: a block that mixes the state of resolution S in
        decoder = {", ".join(_decoder(steps))}
        }}
        train {{
        steps = 10k
        batch_size = {batch_size}  # images per process and step
        learning_rate = {learning_rate}
        }}
        """
    text = format_text(text)
    return _sound(text, compile_source(Source(str(target), text, target)))


def _whole(compilation: Compilation, base: str) -> Program:
    """The program of a base. Raises `UsageError` where it only lacks keys, `SpecError` where it has mistakes."""
    if compilation.program is not None:
        return compilation.program
    missing = [item.key for item in compilation.diagnostics if isinstance(item, MissingKey)]
    if len(missing) == len(compilation.diagnostics):
        raise UsageError(f"{base} is a base and no whole model ({', '.join(missing)} missing): extend one that is")
    raise SpecError(compilation.diagnostics)


def _name_of(path: Path, target: Path) -> str:
    """What a spec at `target` calls a base: a shipped one by its name, another one by its path from there."""
    specs = shipped("specs").resolve()
    resolved, folder = path.resolve(), target.parent.resolve()
    # In a checkout the shipped specs are files beside others.
    if resolved.is_relative_to(specs) and not path.resolve().is_relative_to(folder):
        return resolved.relative_to(specs).as_posix()
    return Path(os.path.relpath(resolved, folder)).as_posix()


def _constants(compilation: Compilation) -> dict[str, int]:
    found: dict[str, int] = {}
    for document in compilation.documents:
        for statement in document.statements:
            if isinstance(statement, ast.Let) and isinstance(statement.value, ast.Integer):
                found[statement.name.text] = statement.value.value
    return found


def _keys(program: Program, section: str) -> Iterator[str]:
    """The keys that are written somewhere in the chain, as they are written: `1M`, `$n`."""
    for of, pairs in _OFTEN_CHANGED:
        for name, hint in pairs if of == section else ():
            origin = program.origins.get(f"{section}.{name}")
            if origin is not None:
                yield f"{name} = {origin.text}{f'  # {hint}' if hint else ''}"


def _ladder(resolution: int) -> Iterator[tuple[int, int]]:
    """The resolutions from the finest down, each with the factor of its pooling; the last one has 1."""
    while resolution > 1:
        if resolution == 4 or (resolution % 2 and resolution <= _MOST_PER_PIXEL):
            factor = resolution
        elif resolution % 2 == 0:
            factor = 2
        else:
            break
        yield resolution, factor
        resolution //= factor
    yield resolution, 1


def _blocks(resolution: int) -> str:
    return f"{resolution}x{2 if resolution > 4 else 1}"


def _encoder(steps: list[tuple[int, int]]) -> Iterator[str]:
    for resolution, factor in steps:
        yield _blocks(resolution)
        if factor > 1:
            yield f"{resolution}d{factor}"


def _decoder(steps: list[tuple[int, int]]) -> Iterator[str]:
    below: int | None = None
    for resolution, _ in reversed(steps):
        if below is not None:
            yield f"{resolution}m{below}"
        yield _blocks(resolution)
        below = resolution


def _sound(text: str, compilation: Compilation) -> str:
    """A draft that compiles where it will stand. Raises `SpecError`."""
    if compilation.program is None:
        raise SpecError(compilation.diagnostics)
    return text
