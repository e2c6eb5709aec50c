"""The datasets by name: the properties that the compiler needs, and the published constants of their inputs.

Sources: openai/vdvae (data.py) for the input shifts and scales; Falck, Williams et al. 2022, Appendix D, for the
splits. Nothing here opens a file.
"""

from __future__ import annotations

from types import MappingProxyType

from hvaedsl.diagnostics.record import Record


class Dataset(Record):
    """A dataset: square images with a height of `resolution` pixels, `channels` channels and `levels` pixel values.

    `shift` and `scale` are the published normalization of the encoder's input, (pixel + shift) * scale on levels 0 to
    255; if None, the statistics of the training set are used. `validation` is the number of images held out by default,
    and `training` that of the images left then. If `fixed_split`, another `validation` changes nothing.
    """

    name: str
    resolution: int
    channels: int
    validation: int
    training: int
    fixed_split: bool = False
    levels: int = 256
    shift: float | None = None
    scale: float | None = None

    def training_images(self, validation: int) -> int:
        """The number of training images with this many held out."""
        return self.training + (0 if self.fixed_split else self.validation - validation)


# Names for your own images, whose shape and levels are in the spec.
USER_IMAGES = ("npy", "folder")

_TABLE = (
    Dataset("digits", 8, 1, validation=180, training=1_257, levels=17),
    Dataset("mnist", 32, 1, validation=5_000, training=55_000),
    Dataset("fashion_mnist", 32, 1, validation=5_000, training=55_000),
    Dataset("cifar10", 32, 3, validation=5_000, training=45_000, shift=-120.63838, scale=1 / 64.16736),
    # Chrabaszcz's batches (the paper) and van den Oord's files (the published code) have different images: the
    # published constants and likelihoods of one do not apply to the other.
    Dataset("imagenet32", 32, 3, validation=5_000, training=1_276_167),
    Dataset("imagenet64", 64, 3, validation=5_000, training=1_276_167),
    Dataset("imagenet32_oord", 32, 3, validation=5_000, training=1_276_149, shift=-116.2373, scale=1 / 69.37404),
    Dataset("imagenet64_oord", 64, 3, validation=5_000, training=1_276_149, shift=-115.92961967, scale=1 / 69.37404),
    Dataset("celeba", 64, 3, validation=19_867, training=162_770, fixed_split=True),
    Dataset("ffhq256", 256, 3, validation=7_000, training=63_000, shift=-112.8666757481, scale=1 / 69.84780273),
    # Published on pixels / 255: shift -0.4387, scale 1 / 0.2743.
    Dataset("ffhq1024", 1024, 3, validation=5_000, training=65_000, shift=-0.4387 * 255, scale=1 / (0.2743 * 255)),
)
DATASETS = MappingProxyType({dataset.name: dataset for dataset in _TABLE})
NAMES = (*DATASETS, *USER_IMAGES)
