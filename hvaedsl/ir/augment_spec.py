"""The section `train.augment`: the augmentation of training images."""

from __future__ import annotations

from typing import Annotated

from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.kinds import Flag, FunctionName, Key, Optional, Size
from hvaedsl.ir.section import Section


class AugmentSpec(Section):
    """`train { augment { } }`: random changes of the training images. Evaluation never changes images."""

    horizontal_flip: Annotated[bool, Key(Flag(), "mirror each training image left to right with probability 1/2")] = (
        False
    )
    random_crop: Annotated[
        int | ImageSize | None,
        Key(
            Optional(Size()),
            "size at which images are stored; training draws a window of the model's size, evaluation takes the center",
        ),
    ] = None
    function: Annotated[
        str | None, Key(Optional(FunctionName()), "function that changes a training image, after crop and flip")
    ] = None
