"""`hvaedsl data`: prepare datasets as arrays in files, and verify them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_dataset
from hvaedsl.cli.extras import require_train
from hvaedsl.cli.former_names import FormerNamesCommand
from hvaedsl.cli.help_text import HelpGroup
from hvaedsl.cli.options import Force, Json, TextFormat, described, format_of
from hvaedsl.cli.resolution import METAVAR, parse_resolution
from hvaedsl.diagnostics.errors import InvalidData, UsageError
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.streams import print_data, say
from hvaedsl.ir.hub import is_hub

_HELP = """Prepare and verify datasets.

Example: [bold]hvaedsl data prepare cifar10 --from downloads/[/]
"""
data = typer.Typer(cls=HelpGroup, no_args_is_help=True, rich_markup_mode="rich", help=_HELP)

# Of options for images whose shape is not that of a published dataset.
_OWN = "only for NAME `folder` or `hf:OWNER/NAME`"

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder written by hvaedsl data prepare.")]


@data.command(cls=FormerNamesCommand)
def prepare(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Dataset, as named by data.dataset.", autocompletion=complete_dataset),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Folder of the published files. For hf:OWNER/NAME, parquet files; if omitted, it is downloaded.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help=described("Output folder.", "where train looks for NAME")),
    ] = None,
    force: Force = False,
    resolution: Annotated[
        str | None,
        typer.Option(metavar=METAVAR, help=f"Height of square images, or height and width; {_OWN}."),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(min=1, max=64, metavar="C", help=f"Channels, 1 to 4 for image files; {_OWN}."),
    ] = None,
    levels: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=65_536,
            metavar="N",
            help=described(f"Values of a pixel, from 2 to 65,536; {_OWN}.", "256"),
        ),
    ] = None,
    fit: Annotated[
        Literal["crop_resize", "crop", "resize", "refuse"] | None,
        typer.Option(
            help=described(
                f"What is done to images of another shape, as data.fit; {_OWN}.", "crop_resize, or refuse for hf:"
            )
        ),
    ] = None,
    crop: Annotated[
        Literal["center", "none"] | None,
        typer.Option(
            help=described(
                "Crop images to the center, or refuse images whose sides have another ratio; only for NAME `folder`.",
                "center",
            )
        ),
    ] = None,
    resize: Annotated[
        bool | None,
        typer.Option(
            help=described("Resize images, or refuse images of another size; only for NAME `folder`.", "resize")
        ),
    ] = None,
    gray: Annotated[
        bool, typer.Option("--gray", help=f"Convert color images to gray; {_OWN}, with 1 channel.")
    ] = False,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="COLOR",
            help=described(
                f"Composite transparent images on white, black or #rrggbb; {_OWN}.",
                "refuse transparent images",
            ),
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="CONFIG",
            help=described("Configuration of a Hugging Face dataset, as data.config; only for hf:.", "the only one"),
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help=described("Image column of a Hugging Face dataset, as data.column; only for hf:.", "the only one"),
        ),
    ] = None,
) -> None:
    """Convert published files, a folder of images, or a Hugging Face dataset to arrays with a manifest.

    NAME is mnist, fashion_mnist, cifar10, imagenet32, imagenet64, imagenet32_oord, imagenet64_oord, celeba, ffhq256,
    ffhq1024, folder or hf:OWNER/NAME. docs/data.md lists the files that each of them needs.

    Example: [bold]hvaedsl data prepare imagenet32 --from downloads/imagenet32[/]
    """
    require_train("data prepare")
    from hvaedsl_runtime.console import image_bar
    from hvaedsl_runtime.data.places import default_folder
    from hvaedsl_runtime.data.prepare import check_source, data_to_prepare, fitting_of
    from hvaedsl_runtime.data.prepare import prepare as prepare_images
    from hvaedsl_runtime.data.prepared import PreparedSet

    spec = data_to_prepare(name, parse_resolution(resolution), channels, levels, config=config, column=column)
    cropped = None if crop is None else crop == "center"
    fitting = fitting_of(name, channels, crop=cropped, resize=resize, gray=gray, background=background, fit=fit)
    if source is not None:
        check_source(source, file_too=is_hub(name))
    elif not is_hub(name):
        raise UsageError(f"--from is missing; give the folder of the files of {name}")
    if out is None and name == "folder":
        raise UsageError("--out is missing; custom images need an output folder, which data.path names in the spec")

    target = out or default_folder(name)
    try:
        prepare_images(spec, source, target, overwrite=force, bar=image_bar, fitting=fitting)
    except KeyboardInterrupt:
        say("interrupted; no files were left behind", err=True)
        raise typer.Exit(130) from None
    say(PreparedSet.at(target).summary())


@data.command(cls=FormerNamesCommand)
def show(folder: Folder, output_format: TextFormat = "text", as_json: Json = False) -> None:
    """Print the manifest of a prepared dataset: arrays, statistics, source files.

    Example: [bold]hvaedsl data show /data/imagenet32[/]
    """
    require_train("data show")
    from hvaedsl_runtime.data.prepared import PreparedSet
    from hvaedsl_runtime.disk.strict_json import model_text

    chosen = format_of(output_format, as_json)
    prepared = PreparedSet.at(folder)
    if chosen == "json":
        print_data(model_text(prepared.manifest, indent=2))
    else:
        say(prepared.summary())


@data.command(cls=FormerNamesCommand)
def verify(folder: Folder, output_format: TextFormat = "text", as_json: Json = False) -> None:
    """Read a prepared dataset completely and compare its checksums with the manifest.

    The tables that it was prepared from are compared too, if they are still there.

    Example: [bold]hvaedsl data verify /data/imagenet32[/]
    """
    require_train("data verify")
    from hvaedsl_runtime.console import image_bar
    from hvaedsl_runtime.data.prepared import PreparedSet

    chosen = format_of(output_format, as_json)
    prepared = PreparedSet.at(folder)
    images = sum(record.count for record in prepared.manifest.arrays.values())
    with image_bar(f"{prepared.manifest.dataset}: checksums", images) as advance:
        damaged = prepared.damaged(advance)
    sources = prepared.check_sources()

    if chosen == "json":
        found: dict[str, object] = {"folder": str(folder), "images": images, "damaged": damaged}
        if any(origin.sha256 is not None for origin in prepared.manifest.origins):
            found["sources"] = sources._asdict()
        print_data(json.dumps(found, indent=2))
    if damaged:
        raise InvalidData("\n  ".join(damaged), help="prepare the images again, with --force")
    if sources.changed:
        raise InvalidData(
            "\n  ".join(sources.changed),
            help="restore the files, or prepare the images again from these, with --force; the images themselves are "
            "those of the manifest",
        )
    if chosen == "text":
        say(f"{folder}: {counted(images, 'image')}, all checksums agree")
        if sources.agree or sources.missing:
            gone = f"; {len(sources.missing):,} are not there any more" if sources.missing else ""
            say(f"files that they were prepared from: {sources.agree:,} unchanged{gone}")
