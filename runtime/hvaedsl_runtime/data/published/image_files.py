"""Published images as PNG or JPEG files: sorted by path, decoded by several threads."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.file_images import DECODING_THREADS
from hvaedsl_runtime.data.fitting import Change, Changes, Fit, Fitting
from hvaedsl_runtime.data.image_file import decode
from hvaedsl_runtime.data.image_tree import search
from hvaedsl_runtime.data.images import Pixels, images_at_a_time
from hvaedsl_runtime.data.problems import ImageProblem, Problems, Unusable, refused_file
from hvaedsl_runtime.data.published.source import Origin, Part

# Published files are never converted beyond gray to color: a file that would need it is not the published one.
AS_PUBLISHED = Fitting(crop=False, resize=False)
REMEDY = "download the files again, then prepare again"


def part_of_files(root: Path, names: Sequence[str], fit: Fit, spec: DataSpec) -> Part:
    """Return the files `names` below `root`, in that order."""

    def read(index: int) -> tuple[str, bytes | OSError]:
        path = root / names[index]
        try:
            return str(path), path.read_bytes()
        except OSError as error:
            return str(path), error

    return decoded_part(len(names), read, fit, spec)


def decoded_part(count: int, read: Callable[[int], tuple[str, bytes | OSError]], fit: Fit, spec: DataSpec) -> Part:
    """Return `count` images, decoded in parallel; `read` gives the name (for messages) and the bytes of each.

    Files that cannot be used do not end the pass: UnusableImages is raised at its end and names all of them.
    """
    step = images_at_a_time(spec.shape, least=DECODING_THREADS)
    changes = np.zeros(count, dtype=np.uint16)

    def decode_one(index: int, named: tuple[str, bytes | OSError]) -> Pixels | ImageProblem:
        return decoded(index, *named, fit, changes)

    def batches() -> Iterator[Pixels]:
        problems = Problems()
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            for start in range(0, count, step):
                indices = range(start, min(start + step, count))
                images: list[Pixels] = []
                for found in pool.map(decode_one, indices, map(read, indices)):
                    if isinstance(found, ImageProblem):
                        problems.add(found)
                    else:
                        images.append(found)
                if images:
                    yield np.stack(images)
        problems.raise_any()

    return Part(count, batches, changes)


def decoded(index: int, name: str, content: bytes | OSError, fit: Fit, changes: Changes) -> Pixels | ImageProblem:
    """Decode an image file, uint8 [H, W, 3], and record its changes; or return why it cannot be used."""
    if isinstance(content, OSError):
        return refused_file(Path(content.filename or name), content, missing=REMEDY)._replace(file=name)
    try:
        pixels, changes[index] = decode(io.BytesIO(content), 3, AS_PUBLISHED, fit, upright=False)
    except Unusable as error:
        return ImageProblem(name, str(error), REMEDY)
    return pixels


def require_size(width: int, height: int) -> Fit:
    """Return images unchanged. `Fit` raises Unusable for an image of another size."""

    def fit(image: Image.Image) -> tuple[Image.Image, Change]:
        if image.size != (width, height):
            found = "x".join(map(str, image.size))
            raise Unusable(f"the image has {found} pixels; it must have {width}x{height}", REMEDY)
        return image, Change(0)

    return fit


def image_names(root: Path, suffixes: tuple[str, ...]) -> tuple[list[str], Origin]:
    """List the image files below `root`, as paths relative to it with /, sorted; and their number and total size.

    Hidden files are skipped, links are followed. Raises OSError if a folder cannot be listed.
    """
    tree = search(root, suffixes)
    return tree.names, Origin(root, len(tree.names), tree.size())
