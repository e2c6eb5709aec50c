"""`hvaedsl data`: published images become arrays that a run maps into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.completion import complete_dataset
from hvaedsl.cli.extras import require_train
from hvaedsl.diagnostics.errors import InvalidData, UsageError

_HELP = """Prepare images, and look after them.

Example: [bold]hvaedsl data prepare cifar10 --from downloads/[/]
"""
data = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help=_HELP)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that hvaedsl data prepare wrote.")]


@data.command()
def prepare(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A data set, as data.dataset names it.", autocompletion=complete_dataset),
    ],
    source: Annotated[Path, typer.Option("--from", metavar="PATH", help="The folder of the published files.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; else where training looks for NAME by itself.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the prepared images in DIR.")] = False,
    resolution: Annotated[
        int | None, typer.Option(min=1, metavar="R", help="Height and width, of one's own images (folder).")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=3, metavar="C", help="1 or 3, of one's own images (folder).")
    ] = None,
) -> None:
    """Turn published files, or a folder of images, into memory-mapped arrays with a manifest.

    NAME is mnist, fashion_mnist, cifar10, imagenet32, imagenet64, imagenet32_oord, imagenet64_oord, celeba, ffhq256,
    ffhq1024 or folder; docs/data.md says which files each of them reads.

    Example: [bold]hvaedsl data prepare imagenet32 --from downloads/imagenet32[/]
    """
    require_train("data prepare")
    from hvaedsl_runtime.console import image_bar
    from hvaedsl_runtime.data.places import default_folder
    from hvaedsl_runtime.data.prepare import data_to_prepare
    from hvaedsl_runtime.data.prepare import prepare as prepare_images
    from hvaedsl_runtime.data.prepared import PreparedSet

    spec = data_to_prepare(name, resolution, channels)
    if not source.is_dir():
        problem = "is a file; name the folder that it lies in" if source.exists() else "does not exist"
        raise UsageError(f"--from names a folder, and {source} {problem}")
    if out is None and name == "folder":
        raise UsageError("of one's own images, --out says where to: data.path names that folder later")
    target = out or default_folder(name)
    try:
        prepare_images(spec, source, target, overwrite=overwrite, bar=image_bar)
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing is left behind", err=True)
        raise typer.Exit(130) from None
    typer.echo(PreparedSet.at(target).summary())


@data.command()
def show(folder: Folder) -> None:
    """Print the manifest of prepared images: arrays, statistics, where they came from.

    Example: [bold]hvaedsl data show /data/imagenet32[/]
    """
    require_train("data show")
    from hvaedsl_runtime.data.prepared import PreparedSet

    typer.echo(PreparedSet.at(folder).summary())


@data.command()
def verify(folder: Folder) -> None:
    """Read prepared images from end to end, and hold them against the checksums of the manifest.

    Example: [bold]hvaedsl data verify /data/imagenet32[/]
    """
    require_train("data verify")
    from hvaedsl_runtime.console import image_bar
    from hvaedsl_runtime.data.prepared import PreparedSet

    prepared = PreparedSet.at(folder)
    images = sum(record.count for record in prepared.manifest.arrays.values())
    with image_bar(f"{prepared.manifest.dataset}: checksums", images) as advance:
        damaged = prepared.damaged(advance)
    if damaged:
        raise InvalidData("\n".join(damaged), help="prepare the images again, with --overwrite")
    typer.echo(f"{folder}: {images:,} images, all checksums agree")
