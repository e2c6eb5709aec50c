"""The centers of images that are stored larger than the images of a model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hvaedsl_runtime.data.images import Images, ImageSet, Indices, Values, batches_of, images_at_a_time


@dataclass(frozen=True, slots=True)
class CenterWindows:
    """The centers of the images of `stored`, whose shape is `stored_shape`; both shapes are (H, W, C)."""

    stored: Images
    stored_shape: tuple[int, int, int]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.stored)

    def read(self, indices: Indices) -> Values:
        """Return the centers at `indices`, uint8 or uint16 [B, H, W, C]. Raises as reading the stored images does."""
        height, width, _ = self.shape
        top, left = ((there - here) // 2 for there, here in zip(self.stored_shape[:2], (height, width), strict=True))
        # Few at a time, since the stored images may be many times larger.
        pieces = [
            piece[:, top : top + height, left : left + width].copy()
            for piece in batches_of(self.stored, indices, images_at_a_time(self.stored_shape))
        ]
        return np.concatenate(pieces) if pieces else self.stored.read(indices)[:, :height, :width]


def centered(stored: ImageSet, shape: tuple[int, int, int]) -> ImageSet:
    """The centers of a split, of shape (H, W, C); the split itself if its images have this shape."""
    if stored.shape == shape:
        return stored
    windows = CenterWindows(stored.images, stored.shape, shape)
    return replace(stored, images=windows, shape=shape, level_counts=None)


def stored_images(images: ImageSet) -> ImageSet:
    """The images of which a split has the centers; the split itself if it has whole images."""
    if not isinstance(images.images, CenterWindows):
        return images
    return replace(images, images=images.images.stored, shape=images.images.stored_shape)
