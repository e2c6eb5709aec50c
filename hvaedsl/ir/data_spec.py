"""The section `data`: the images."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from hvaedsl.ir.datasets import DATASETS, NAMES
from hvaedsl.ir.hub import is_hub
from hvaedsl.ir.image_size import ImageSize, columns_at, sides
from hvaedsl.ir.kinds import Choice, DatasetName, FilePath, Key, NameInQuotes, Optional, Size, Whole
from hvaedsl.ir.section import Section

Values = Literal["levels", "real"]
Binarize = Literal["none", "threshold", "dynamic"]
MOST_CHANNELS = 64
# Of an image file: gray or red, green and blue, each with one more, alpha or another.
MOST_FILE_CHANNELS = 4
# Keys that only levels have.
OF_LEVELS = ("levels", "binarize")
# What may be done to image files of another shape.
FileFit = Literal["crop_resize", "crop", "resize", "refuse"]


class DataSpec(Section):
    """`data { }`: the images."""

    # The key that says at which size images are stored.
    size_key: ClassVar[str] = "data.resolution"

    dataset: Annotated[str, Key(DatasetName(NAMES), "the dataset", required="always", example="cifar10")]
    path: Annotated[
        str | None, Key(Optional(FilePath()), "folder of the files; HVAEDSL_DATA or a cache folder if none")
    ] = None
    config: Annotated[
        str | None, Key(Optional(NameInQuotes()), "configuration of a Hugging Face dataset; its only one if none")
    ] = None
    column: Annotated[
        str | None, Key(Optional(NameInQuotes()), "image column of a Hugging Face dataset; its only one if none")
    ] = None
    channels: Annotated[
        int, Key(Whole(1, MOST_CHANNELS), "channels of an image; required for npy, folder and hf:", example="3")
    ]
    resolution: Annotated[
        int | ImageSize,
        Key(Size(), "height of a square image, or (height, width); required for npy, folder and hf:", example="32"),
    ]
    values: Annotated[
        Values, Key(Choice(("levels", "real")), "whether pixels are levels, or real numbers, which have a density")
    ] = "levels"
    # 0 if the values are real.
    levels: Annotated[
        int, Key(Whole(2, 65_536), "number of values of a pixel; given by the dataset, or 256", example="256")
    ]
    validation: Annotated[
        int, Key(Whole(0), "images held out of the training set; the default depends on the dataset", example="1000")
    ]
    split_seed: Annotated[int, Key(Whole(0), "seed of the split")] = 0
    binarize: Annotated[
        Binarize,
        Key(
            Choice(("none", "threshold", "dynamic")),
            "conversion of pixels to {0, 1}; the default is dynamic for bernoulli, or none",
        ),
    ]
    fit: Annotated[
        FileFit,
        Key(
            Choice(("crop_resize", "crop", "resize", "refuse")),
            "what is done to image files of another shape; the default is crop_resize for folder, or refuse",
        ),
    ]

    @property
    def is_real(self) -> bool:
        """Whether pixels are real numbers."""
        return self.values == "real"

    @property
    def has_levels(self) -> bool:
        """Whether the images are always stored as levels: those of named datasets, and those that are prepared."""
        return self.dataset in DATASETS or is_hub(self.dataset)

    @property
    def height(self) -> int:
        """Rows of an image: the resolution that block lists begin and end with."""
        return sides(self.resolution).height

    @property
    def width(self) -> int:
        """Columns of an image."""
        return sides(self.resolution).width

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.height, self.width, self.channels

    def columns_at(self, resolution: int) -> int | None:
        """Columns of a state of the hierarchy, rounded down; None if the images are square, and so are the states."""
        return columns_at(resolution, *self.resolution) if isinstance(self.resolution, ImageSize) else None

    def stored_at(self, size: int | ImageSize | None) -> DataSpec:
        """The section as it describes the stored images, if these have another size: that of the random crop."""
        window_size = sides(self.resolution)
        if size is None or sides(size) == window_size:
            return self
        return StoredDataSpec.model_construct(**{**dict(self), "resolution": size}, window_size=window_size)


class StoredDataSpec(DataSpec):
    """The section `data` of images that are stored larger than the model's, at `train.augment.random_crop`."""

    size_key: ClassVar[str] = "train.augment.random_crop"

    window_size: ImageSize
