"""`hvaedsl new`: write a new spec: an extension of another one, or a small complete one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_dataset, complete_spec
from hvaedsl.cli.options import described
from hvaedsl.cli.resolution import METAVAR, parse_resolution
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.diagnostics.shell import command_line
from hvaedsl.diagnostics.streams import say


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or path of the new spec, with or without .hvae.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SPEC",
            help="Spec to extend: a file or the name of a shipped spec. If omitted, a small complete spec is written.",
            autocompletion=complete_spec,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help=described(
                "Dataset of the complete spec; `folder` or `npy` for custom images, or `hf:OWNER/NAME`.", "digits"
            ),
            autocompletion=complete_dataset,
        ),
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(metavar=METAVAR, help=described("Height of square custom images, or height and width.", "32")),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(min=1, max=64, metavar="C", help=described("Channels of custom images.", "3")),
    ] = None,
    values: Annotated[
        Literal["levels", "real"] | None,
        typer.Option(help=described("Values of custom images: levels, or floats in npy files.", "levels")),
    ] = None,
    path: Annotated[
        str | None, typer.Option(metavar="PATH", help=described("Path of the images.", "`images` for custom images"))
    ] = None,
) -> None:
    """Write a new spec: an extension of another one, or a small complete one. Existing files are never overwritten.

    Example: [bold]hvaedsl new mine --from cifar_ws[/], [bold]hvaedsl new faces --dataset folder --resolution 16[/]
    """
    from hvaedsl.draft import extending_spec, standalone_spec

    target = _target(name)
    if base is not None:
        if any(given is not None for given in (dataset, resolution, channels, values, path)):
            raise UsageError("--from takes the dataset from its spec; to change it, edit the new file")
        text = extending_spec(target, base)
    else:
        chosen = dataset or ("npy" if values == "real" else "digits")
        real = values == "real"
        text = standalone_spec(target, chosen, parse_resolution(resolution), channels, path, real=real)
    _write(target, text)
    say(f"written: {target}")
    say(f"next: {command_line('hvaedsl', 'compile', target, '--render')}", err=True)


def _target(name: str) -> Path:
    """The file to write. Raises `UsageError` for an invalid name."""
    if not name.isprintable() or not Path(name).name or name.endswith(("/", ".")):
        raise UsageError(f"{name!r} is not a valid name for a spec")
    target = Path(name if name.endswith(".hvae") else f"{name}.hvae")
    if target.stem in ("", ".hvae"):
        raise UsageError(f"{name!r} is not a valid name for a spec")
    try:
        taken = target.exists() or target.is_symlink()
    except OSError as error:  # too long a name
        raise UsageError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}") from None
    if taken:
        raise UsageError(f"{target} already exists; choose another name or remove the file")
    if not target.parent.is_dir():
        raise UsageError(f"{target} cannot be written: the folder {target.parent} does not exist")
    return target


def _write(target: Path, text: str) -> None:
    """Write a file that must not exist yet. Raises `WriteError`; no partial file is left behind."""
    with refusals_explained(target), target.open("x", encoding="utf-8", newline="\n") as file:
        try:
            file.write(text)
            file.flush()
        except BaseException:
            target.unlink(missing_ok=True)
            raise
