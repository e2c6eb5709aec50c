"""The text of a new spec: one that extends another, or a small, complete one for a dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.printable import printable
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_text
from hvaedsl.ir.datasets import DATASETS, USER_IMAGES
from hvaedsl.ir.hub import is_hub, meant_as_hub
from hvaedsl.ir.image_size import ImageSize, has_whole_columns
from hvaedsl.ir.spec_text import string_text, value_text
from hvaedsl.program import Compilation, Program, compile_source, source_of
from hvaedsl.shipped import shipped
from hvaedsl.syntax import ast

# The keys that are usually changed first, and the comment after each.
_OFTEN_CHANGED = (
    ("model", (("width", "channels of the residual state"), ("latent", "channels of each z"))),
    ("model", (("encoder", ""), ("decoder", ""))),
    ("train", (("steps", ""), ("batch_size", "images per step"), ("learning_rate", ""))),
)
_SMALL_WIDTH, _WIDTH, _LATENT = 48, 64, 8
_MOST_PER_PIXEL = 8  # an odd resolution up to this one is pooled to 1 in one step


def extending_spec(target: Path, base: str) -> str:
    """A spec at `target` that extends `base` (a file, or a shipped spec), with the keys that are usually changed first.

    The values are those of the base, as written there. Raises `UsageError` if the base does not exist, is not a
    complete model, or its name means another file at `target`; `SpecError` if it has errors or is outside the project.
    """
    compilation = compile_source(source_of(base))
    program, path = _complete(compilation, base), compilation.documents[-1].source.path
    assert path is not None
    name = _name_of(path, target)
    if any("\ud800" <= letter <= "\udfff" for letter in name):  # bytes that are not text in this locale (PEP 383)
        raise UsageError(f"{base}: a spec is UTF-8 text and cannot contain this name", help="rename the file")
    if (target.parent / name).resolve() == target.resolve():
        raise UsageError(f"{target} would extend itself; use another name than that of its base")

    lines = [
        f"# {printable(target.stem)} extends {printable(path.stem)}: keys that are not set here have the values of the "
        "base.",
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
        raise UsageError(f"{target} would extend another spec {name}, which is beside it, instead of {base}")
    return _checked(text, made)


def standalone_spec(
    target: Path,
    dataset: str,
    resolution: int | ImageSize | None,
    channels: int | None,
    path: str | None,
    *,
    real: bool = False,
) -> str:
    """A small, complete spec for a dataset: two blocks per resolution, pooled by 2 down to 1x1 if possible.

    Resolution (default 32), channels (3) and path ("images") are for your own images, and for datasets of the Hugging
    Face Hub, of which the path has no default; `real` values are for arrays. Raises `UsageError` if they do not fit the
    dataset, or if there is no such dataset.
    """
    known = DATASETS.get(dataset)
    if known is None and dataset not in USER_IMAGES and not is_hub(dataset):
        names = listing((*DATASETS, *USER_IMAGES, "hf:OWNER/NAME"), "and")
        meant = f"write {meant_as_hub(dataset)}" if meant_as_hub(dataset) else ""
        raise UsageError(f"unknown dataset {dataset}; the datasets are {names}", help=meant)

    if real and dataset != "npy":
        raise UsageError(f"the images of {dataset} have levels; --values real is for arrays of floats, --dataset npy")
    data = [f"dataset = {value_text(dataset)}"]
    if known is None:
        size, channels = resolution or 32, channels or 3
        if path is not None or not is_hub(dataset):
            data.append(f"path = {string_text(path or 'images')}  # from the working directory")
        data += [
            f"channels = {channels}",
            f"resolution = {size}",
            *(["values = real  # floats; their likelihood is a density, gaussian"] if real else []),
            "validation = 100  # images held out of the training set",
        ]
    else:
        size = side = known.resolution
        if resolution not in (None, side) or channels not in (None, known.channels):
            raise UsageError(
                f"{dataset} has {side}x{side} images with {known.channels} channel{'s' * (known.channels > 1)}; "
                "--resolution and --channels are for your own images, folder or npy, and for hf:OWNER/NAME"
            )
        data += [f"path = {string_text(path)}"] if path is not None else []

    side, width = (size, size) if isinstance(size, int) else size
    steps, listed = list(_ladder(side, width)), "\n".join(data)
    # A few large images fill a GPU, and the published runs on them use a smaller learning rate.
    batch_size, learning_rate = (32, "1e-3") if side * width <= 128**2 else (8, "5e-4")
    images = "your own images" if dataset in USER_IMAGES else dataset
    text = f"""# {printable(target.stem)}: a small model of {images}. The language on one page: docs/language.md
        hvae 1
        data {{
        {listed}
        }}
        model {{
        width = {_SMALL_WIDTH if side <= 8 else _WIDTH}  # channels of the residual state
        latent = {_LATENT}  # channels of each z
        # RxN: N blocks at resolution R; RrN: one block applied N times; RdK: a block, then pooling to R/K
        encoder = {", ".join(_encoder(steps))}
        # RmS: a block that mixes in the state of resolution S
        decoder = {", ".join(_decoder(steps))}
        }}
        train {{
        steps = 10k
        batch_size = {batch_size}  # images per step
        learning_rate = {learning_rate}
        }}
        """
    text = format_text(text)
    return _checked(text, compile_source(Source(str(target), text, target)))


def _complete(compilation: Compilation, base: str) -> Program:
    """The program of a base. Raises `UsageError` if it only lacks keys, `SpecError` if it has other errors."""
    if compilation.program is not None:
        return compilation.program
    missing = [key for item in compilation.diagnostics if isinstance(item, MissingKey) for key in item.keys]
    if all(isinstance(item, MissingKey) for item in compilation.diagnostics):
        raise UsageError(f"{base} is not a complete model: it has no {listing(missing)}; extend a complete one")
    raise SpecError(compilation.diagnostics)


def _name_of(path: Path, target: Path) -> str:
    """The name of a base in a spec at `target`: that of a shipped spec, or the path relative to `target`."""
    specs = shipped("specs").resolve()
    resolved, folder = path.resolve(), target.parent.resolve()
    # In a checkout the shipped specs are ordinary files, which a spec beside them names by their paths.
    if resolved.is_relative_to(specs) and not path.resolve().is_relative_to(folder):
        return resolved.relative_to(specs).as_posix()
    return Path(os.path.relpath(resolved, folder)).as_posix()


def _constants(compilation: Compilation) -> dict[str, str]:
    """The constants of the base and its bases, as written there."""
    return {
        statement.name.text: statement.value.span.text
        for document in compilation.documents
        for statement in document.statements
        if isinstance(statement, ast.Let)
    }


def _keys(program: Program, section: str) -> Iterator[str]:
    """The keys that the base or its bases set, with their values as written there: `1M`, `$n`.

    A list that continues another one is that of the base: there, its `$base` is a list below.
    """
    for of, pairs in _OFTEN_CHANGED:
        for name, hint in pairs if of == section else ():
            origin = program.origins.get(f"{section}.{name}")
            if origin is not None:
                continues = any(used == "$base" for used, _ in program.via(f"{section}.{name}"))
                text = "$base" if continues else origin.text
                yield f"{name} = {text}{f'  # {hint}' if hint else ''}"


def _ladder(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The resolutions from high to low, each with its pooling factor; the last one has 1."""
    resolution = height
    while resolution > 1:
        if resolution == 4 or (resolution % 2 and resolution <= _MOST_PER_PIXEL):
            factor = resolution
        elif resolution % 2 == 0:
            factor = 2
        else:
            break
        if not has_whole_columns(resolution // factor, height, width):
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


def _checked(text: str, compilation: Compilation) -> str:
    """The text of a draft that compiles at its target. Raises `SpecError` for one that does not."""
    if compilation.program is None:
        raise SpecError(compilation.diagnostics)
    return text
