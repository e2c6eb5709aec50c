"""Images of a torch `Dataset`, which a custom dataset may return: read item by item, and checked each time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset

from hvaedsl.custom.importing import error_summary
from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.data_spec import MOST_CHANNELS
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import Indices, Values, as_reals_of
from hvaedsl_runtime.data.levels import dtype_of
from hvaedsl_runtime.data.reals import as_reals

# How far a real value may be from a level: torchvision's ToTensor divides by 255 in float32.
LEVEL_TOLERANCE = 1e-6
# Items that are read twice: a random flip changes half of them.
READ_TWICE = 10
RETURN_IMAGE = "an item is an image (a tensor [C, H, W], an array [H, W, C] or a PIL image), or a tuple that begins so"


@dataclass(frozen=True, slots=True)
class TorchImages:
    """The items of a torch Dataset as images; `place` names it in messages, with its split.

    The messages propose no other spec if the model is `trained`.
    """

    source: Dataset[Any]
    spec: DataSpec
    place: str
    trained: bool = False

    def __len__(self) -> int:
        return len(self.source)  # type: ignore[arg-type]  # torch's base class has no length; `check` looks for one

    def check(self) -> None:
        """Read the first items twice. Raises InvalidData for one that is no image of the spec, or is not read again."""
        if isinstance(self.source, IterableDataset) or not hasattr(self.source, "__len__"):
            raise InvalidData(
                f"{self.place}: a {type(self.source).__name__} has no length and no index",
                help="return a Dataset with __len__ and __getitem__; for a stream, save its images as .npy first",
            )
        for index in range(min(READ_TWICE, len(self))):
            if not np.array_equal(self._item(index), self._item(index)):
                raise InvalidData(
                    f"{self.place}: item {index} is another image when it is read again",
                    help="remove random transforms from the dataset: evaluation, statistics and a resumed run need "
                    "equal images",
                )

    def read(self, indices: Indices) -> Values:
        """Return the items at `indices`, uint8, uint16 or float32 [B, H, W, C].

        Raises InvalidData, with the index, for an item that cannot be read or is no image of the spec.
        """
        dtype = dtype_of(self.spec.levels)
        batch = np.empty((len(indices), *self.spec.shape), dtype=dtype)
        for position, index in enumerate(indices):
            batch[position] = self._item(int(index))
        return batch

    def _item(self, index: int) -> npt.NDArray[np.generic]:
        """One image as levels or real values, [H, W, C]."""
        try:
            found = self.source[index]
        except Exception as error:
            raise InvalidData(f"{self.place}, item {index}: cannot be read: {error_summary(error)}") from error
        image = found[0] if isinstance(found, (tuple, list)) and found else found
        arranged = self._arranged(image, index)
        return self._reals(arranged, index) if self.spec.is_real else self._levels(arranged, index)

    def _arranged(self, image: object, index: int) -> npt.NDArray[np.generic]:
        """The image as an array [H, W, C]. The spec's shape decides; none is transposed to fit."""
        height, width, channels = self.spec.shape
        if isinstance(image, torch.Tensor):
            array, wanted, order = image.detach().cpu().numpy(), (channels, height, width), "tensors are [C, H, W]"
        elif isinstance(image, (np.ndarray, Image.Image)):
            array, wanted, order = np.asarray(image), (height, width, channels), "arrays are [H, W, C]"
        else:
            keys = f" with the keys {', '.join(map(repr, list(image)[:5]))}" if isinstance(image, Mapping) else ""
            raise InvalidData(f"{self.place}, item {index}: a {type(image).__name__}{keys}", help=RETURN_IMAGE)

        if array.shape == (height, width) and channels == 1:
            return array[..., None]
        if array.shape != wanted:
            raise InvalidData(
                f"{self.place}, item {index}: a {type(image).__name__} of shape {list(array.shape)}; it must be "
                f"{list(wanted)}",
                help=self._way_out(image, array.shape, wanted, order),
            )
        return array.transpose(1, 2, 0) if isinstance(image, torch.Tensor) else array

    def _way_out(self, image: object, found: tuple[int, ...], wanted: tuple[int, ...], order: str) -> str:
        """What to change: the channels of images of the right size, their size, or the order of axes."""
        height, width, _ = self.spec.shape
        if (has := self._other_channels(found, is_tensor=isinstance(image, torch.Tensor))) is not None:
            return self._convert_channels(has, image, found)
        exchanged = tuple({height: width, width: height}.get(size, size) for size in wanted)
        if height != width and found == exchanged:
            turned = f"the images are {width} high and {height} wide: "
            return turned + ("turn them" if self.trained else f"set data.resolution to ({width}, {height})")
        if sorted(found) == sorted(wanted):
            return f"{order}: permute the axes in the dataset"
        spec = "" if self.trained else "correct data.resolution and data.channels, or "
        return f"{order}: {spec}resize and convert the images in the dataset"

    def _other_channels(self, found: tuple[int, ...], *, is_tensor: bool) -> int | None:
        """The number of channels of images of the right size; None for images of another size."""
        height, width, channels = self.spec.shape
        if found == (height, width):
            return 1
        if len(found) != 3:
            return None
        has, size = (found[0], found[1:]) if is_tensor else (found[2], found[:2])
        return has if size == (height, width) and has != channels else None

    def _convert_channels(self, has: int, image: object, found: tuple[int, ...]) -> str:
        """The way out for images whose channels alone are not those of the spec."""
        channels = self.spec.channels
        count = "one channel" if has == 1 else f"{has} channels"
        ways = [] if self.trained or not 1 <= has <= MOST_CHANNELS else [f"set data.channels to {has}"]
        if has == 1 and not self.spec.is_real:  # equal channels of real values would have a density without bound
            ways.append(f"repeat it in the dataset: `{_repeated(image, channels, len(found))}`")
        else:
            ways.append(f"make {channels} channel{'s' * (channels > 1)} of them in the dataset")
        return f"the images have {count}: {', or '.join(ways)}"

    def _reals(self, image: npt.NDArray[np.generic], index: int) -> npt.NDArray[np.generic]:
        """The real values of an image of floats."""
        if image.dtype.kind != "f":
            of_spec = "" if self.trained else "for levels, remove `values = real` from the spec; "
            raise InvalidData(
                f"{self.place}, item {index}: values of type {image.dtype}; data.values is real, which needs floats",
                help=f"{of_spec}convert the values in the dataset, with `.float()` or ToTensor of torchvision",
            )
        found: npt.NDArray[np.generic] = as_reals(image[None], [index], self.place)[0]
        return found

    def _levels(self, image: npt.NDArray[np.generic], index: int) -> npt.NDArray[np.generic]:
        """The levels of an image of integers, or of real values k / (levels - 1)."""
        highest = self.spec.levels - 1
        if image.dtype.kind == "f":
            scaled = image.astype(np.float64) * highest
            levels = np.rint(scaled)
            exact = bool(np.all(np.abs(scaled - levels) <= LEVEL_TOLERANCE * highest))  # False for NaN
        elif image.dtype.kind in "iub":
            levels, exact = image, True
        else:
            raise InvalidData(f"{self.place}, item {index}: values of type {image.dtype}", help=RETURN_IMAGE)

        low, high = levels.min(), levels.max()
        if exact and low >= 0 and high <= highest:
            return levels
        found = f"values of type {image.dtype} from {image.min():g} to {image.max():g}"
        if image.dtype.kind == "f":
            needs = f"k / {highest} for a level k from 0 to {highest}, as ToTensor of torchvision gives them"
            way_out = "remove Normalize and other changes of the values; the run scales the images itself"
            way_out += "" if self.trained else f"; {as_reals_of(self.spec)}"
        else:
            needs = f"levels from 0 to {highest}"
            way_out = "correct " + ("" if self.trained else "data.levels, or ") + "the values that the dataset returns"
        raise InvalidData(f"{self.place}, item {index}: {found}; they must be {needs}", help=way_out)


def _repeated(image: object, channels: int, axes: int) -> str:
    """The expression that repeats the one channel of an image, which has two or three axes."""
    if isinstance(image, torch.Tensor):
        return f"image.expand({channels}, -1, -1)"
    if isinstance(image, Image.Image):
        return 'image.convert("RGB")' if channels == 3 else f"numpy.stack([numpy.asarray(image)] * {channels}, axis=-1)"
    return f"image.repeat({channels}, axis=-1)" if axes == 3 else f"numpy.stack([image] * {channels}, axis=-1)"


def refuse_bare(found: object, reference: str) -> None:
    """Raise InvalidData for a Dataset in place of a function that returns one, with the function that is missing."""
    is_class = isinstance(found, type) and issubclass(found, Dataset)
    if not is_class and not isinstance(found, Dataset):
        return
    _, _, name = reference.partition(":")
    made = f'{name}(path, train=split == "train")' if is_class else name
    raise InvalidData(
        f"`{reference}` is a torch Dataset; data.dataset names a function that returns one for a split",
        help=f"write such a function and name it:\n    def images(split, path):\n        return {made}",
    )
