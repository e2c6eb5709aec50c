"""Augmentation of training images: a window, a flip and a custom function, each by seed, epoch and image alone."""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from hvaedsl.custom.importing import CustomPartError, error_summary, import_custom
from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl_runtime.data.file_images import FileImages
from hvaedsl_runtime.data.images import ImageSet, Indices, Values, images_at_a_time
from hvaedsl_runtime.data.seeded import augmentation_words
from hvaedsl_runtime.data.windows import stored_images

# Images on which a function is tried before training starts.
TRIED = 8
SEE = "docs/custom.md has an example"


class AugmentFunction(Protocol):
    """A custom function: it returns an image of the same shape [H, W, C], dtype and range as the one that it gets."""

    def __call__(self, image: Values, generator: torch.Generator) -> npt.NDArray[np.generic]:
        """Return the changed image; every random number is drawn from `generator`, which is on the CPU."""
        ...


class Augmentation:
    """The augmented images of a training set.

    An image is a function of (seed, epoch, index of the image in the training set): it depends neither on the batch nor
    on the processes. Adding one of the three changes leaves the draws of the others as they are.
    """

    def __init__(self, augment: AugmentSpec, images: ImageSet, seed: int) -> None:
        """Find the stored images and the function. Raises InvalidData if the function cannot be imported."""
        self.augment = augment
        self.stored = stored_images(images)
        self.shape = images.shape
        self.seed = seed
        self._function = None if augment.function is None else _function(augment.function)

    def __call__(self, indices: Indices, epochs: Indices) -> Values:
        """Return the training images at `indices`, each as it is in its epoch, uint8, uint16 or float32 [B, H, W, C].

        Raises InvalidData for an image that cannot be read, or that the function cannot change.
        """
        pieces, step = [], images_at_a_time(self.stored.shape)
        for start in range(0, len(indices), step):
            some = slice(start, start + step)
            images = zip(self.stored.batch(indices[some]), indices[some].tolist(), epochs[some].tolist(), strict=True)
            pieces.append(np.stack([self._augmented(image, index, epoch) for image, index, epoch in images]))
        return np.concatenate(pieces)

    def check(self) -> None:
        """Try the function on the first images. Raises InvalidData if it fails, or uses other random numbers."""
        if self._function is None:
            return
        indices = np.arange(min(TRIED, len(self.stored)), dtype=np.int64)
        first, again = (self(indices, np.zeros_like(indices)) for _ in range(2))
        different = np.flatnonzero((first != again).any(axis=(1, 2, 3)))
        if len(different):
            raise InvalidData(
                f"{self._place(int(different[0]), 0)}: two calls with equal arguments returned different images",
                help="draw every random number from the torch.Generator that it is called with",
            )

    def _augmented(self, stored: Values, index: int, epoch: int) -> Values:
        """The image at `index` in an epoch, [H, W, C], out of the stored one."""
        rows, columns, flip, seed = augmentation_words(self.seed, epoch, index)
        height, width, _ = self.shape
        # The remainder of 64 bits is uniform up to 2**-50 for any size of an image.
        top, left = rows % (stored.shape[0] - height + 1), columns % (stored.shape[1] - width + 1)
        image = stored[top : top + height, left : left + width]
        if self.augment.horizontal_flip and flip % 2:
            image = image[:, ::-1]
        return image if self._function is None else self._changed(image, index, epoch, seed)

    def _changed(self, image: Values, index: int, epoch: int, seed: int) -> Values:
        """The image [H, W, C] that the function returns. Raises InvalidData if it is none of the model's."""
        assert self._function is not None
        own = np.array(image, order="C")  # the function may write into it
        try:
            returned = self._function(own, torch.Generator().manual_seed(seed))
            found = np.asarray(returned) if isinstance(returned, (np.ndarray, torch.Tensor)) else None
        except Exception as error:
            raise InvalidData(f"{self._place(index, epoch)}: it fails: {error_summary(error)}", help=SEE) from error

        expected = f"it must return {image.dtype} {list(image.shape)}, as it gets"
        if found is None:
            raise InvalidData(f"{self._place(index, epoch)}: it returned {_kind_of(returned)}; {expected}", help=SEE)
        if found.dtype != image.dtype or found.shape != image.shape:
            what = f"{found.dtype} {list(found.shape)}"
            raise InvalidData(f"{self._place(index, epoch)}: it returned {what}; {expected}", help=SEE)
        if found.dtype.kind == "f":
            self._check_finite(found, index, epoch)
        elif (highest := int(found.max())) >= self.stored.levels:
            raise InvalidData(
                f"{self._place(index, epoch)}: it returned the value {highest}; values must be 0 to "
                f"{self.stored.levels - 1}",
                help="clip the values in the function, before they are converted to integers",
            )
        return found

    def _check_finite(self, image: npt.NDArray[np.generic], index: int, epoch: int) -> None:
        """Raise InvalidData for real values that are not finite."""
        values = np.asarray(image, dtype=np.float32)
        if not np.isfinite(values).all():
            value = values[~np.isfinite(values)][0]
            raise InvalidData(
                f"{self._place(index, epoch)}: it returned the value {value}; values must be finite",
                help="look for a division by 0, or a logarithm of 0, in the function",
            )

    def _place(self, index: int, epoch: int) -> str:
        """The function and the image, for messages."""
        files = self.stored.images
        file = f" ({files.files[self.stored.members[index]]})" if isinstance(files, FileImages) else ""
        return f"train.augment.function, `{self.augment.function}`, on training image {index}{file} in epoch {epoch}"


def augmentation(augment: AugmentSpec, images: ImageSet, seed: int) -> Augmentation | None:
    """Make the augmentation of a training set, with its function tried; None if the images stay as they are.

    Raises ValueError if `images` is another split, InvalidData if the function cannot be used.
    """
    if images.split != "train":
        raise ValueError(f"the split is {images.split}; only training images are augmented")
    is_cropped = stored_images(images) is not images
    if not (augment.horizontal_flip or is_cropped or augment.function):
        return None
    found = Augmentation(augment, images, seed)
    found.check()
    return found


def _function(reference: str) -> AugmentFunction:
    try:
        found = import_custom(reference)
    except CustomPartError as error:
        raise InvalidData(
            f"train.augment.function, `{reference}`, cannot be used: {error.problem}", help=error.hint
        ) from error
    if not callable(found):
        raise InvalidData(
            f"train.augment.function, `{reference}`, is of type {type(found).__name__}; it must be a function", help=SEE
        )
    return cast(AugmentFunction, found)


def _kind_of(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
