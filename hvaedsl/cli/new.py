"""`hvaedsl new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.completion import complete_dataset, complete_spec
from hvaedsl.diagnostics.errors import UsageError


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new spec: a name or a path, with .hvae or without.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SPEC",
            help="What it extends: a spec file, or a shipped spec by its name. Else a small whole spec is written.",
            autocompletion=complete_spec,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="Data set of the small whole spec; digits if left out. One's own: folder, npy.",
            autocompletion=complete_dataset,
        ),
    ] = None,
    resolution: Annotated[
        int | None, typer.Option(min=1, metavar="R", help="Height and width of one's own images; 32 if left out.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=3, metavar="C", help="1 or 3, of one's own images; 3 if left out.")
    ] = None,
    path: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where the images are; one's own: images if left out.")
    ] = None,
) -> None:
    """Write a new spec: one that extends another, or a small whole one. Nothing is overwritten.

    Example: [bold]hvaedsl new mine --from cifar_ws[/], [bold]hvaedsl new faces --dataset folder --resolution 16[/]
    """
    from hvaedsl.draft import extending_spec, standalone_spec

    target = _target(name)
    if base is not None:
        if any(given is not None for given in (dataset, resolution, channels, path)):
            raise UsageError("--from brings the data set of its spec: change it in the new file")
        text = extending_spec(target, base)
    else:
        text = standalone_spec(target, dataset or "digits", resolution, channels, path)
    _write(target, text)
    typer.echo(f"written: {target}")
    typer.echo(f"next: hvaedsl compile {target} --render", err=True)


def _target(name: str) -> Path:
    """The file to write. Raises `UsageError` where it cannot be one."""
    if not name.isprintable() or not Path(name).name or name.endswith(("/", ".")):
        raise UsageError(f"{name!r} is no name of a spec")
    target = Path(name if name.endswith(".hvae") else f"{name}.hvae")
    if target.stem in ("", ".hvae"):
        raise UsageError(f"{name!r} is no name of a spec")
    try:
        taken = target.exists() or target.is_symlink()
    except OSError as error:  # too long a name
        raise UsageError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}") from None
    if taken:
        raise UsageError(f"{target} exists already: take another name, or remove it first")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    return target


def _write(target: Path, text: str) -> None:
    """Write a file that must not be there. Raises `UsageError`; nothing half written stays behind."""
    try:
        with target.open("x", encoding="utf-8", newline="\n") as file:
            try:
                file.write(text)
                file.flush()
            except BaseException:
                target.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}") from None
