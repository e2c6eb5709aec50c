"""16-bit PNG files: read without loss, fitted without clipping, refused where a level or a channel would be lost."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.io import decode_png

from hvaedsl.diagnostics.errors import RunError, UnusableImages
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.file_images import shades_of_levels
from hvaedsl_runtime.data.fitting import Change, Fitting
from hvaedsl_runtime.data.given_images import given_images
from hvaedsl_runtime.data.image_file import decode, fit_to
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.prepare import data_to_prepare, prepare
from hvaedsl_runtime.data.prepared import PreparedSet
from hvaedsl_runtime.data.problems import Unusable
from tests.runtime.data.image_folders import everything
from tests.runtime.data.photographs import Deep, interlaced_png_of, photograph, png_of
from tests.runtime.data.test_prepare import no_bar

CHINA = photograph()  # 107 x 160
HEIGHT, WIDTH, _ = CHINA.shape
ALL = 65_536


def read(
    content: bytes, channels: int, size: tuple[int, int] = (HEIGHT, WIDTH), levels: int = ALL, **options: Any
) -> tuple[Pixels, Change]:
    fitting = Fitting(**options)
    pixels, changes = decode(io.BytesIO(content), channels, fitting, fit_to(*size, fitting), levels=levels)
    assert pixels.shape == (*size, channels)
    assert pixels.dtype == (np.uint16 if levels > 256 else np.uint8)
    return pixels, changes & ~Change.DECODED


def refused(content: bytes, reason: str, remedy: str, channels: int = 3, levels: int = ALL, **options: Any) -> None:
    with pytest.raises(Unusable, match=reason) as caught:
        read(content, channels, levels=levels, **options)
    assert remedy in caught.value.remedy


def gray_png(pixels: Deep) -> bytes:
    """A file that Pillow writes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def with_alpha(pixels: Deep, alpha: Deep | int) -> Deep:
    return np.concatenate((pixels, np.broadcast_to(alpha, pixels.shape[:2])[..., None]), axis=-1).astype(np.uint16)


def test_the_photograph_needs_all_of_its_bits() -> None:
    assert (int(CHINA.min()), int(CHINA.max())) == (0, 65_535)
    assert len(np.unique(CHINA & 255)) == 256


@pytest.mark.parametrize("channels", [1, 3])
def test_a_value_is_a_level(channels: int) -> None:
    pixels = CHINA[..., :channels]
    for content in (png_of(pixels), png_of(pixels, filters=False), *([gray_png(pixels[..., 0])] * (channels == 1))):
        found, changes = read(content, channels)
        np.testing.assert_array_equal(found, pixels)
        assert changes == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_interlaced_file_is_read(channels: int) -> None:
    colors = 3 if channels > 2 else 1
    pixels = CHINA[..., :colors] if channels == colors else with_alpha(CHINA[..., :colors], 65_535)
    np.testing.assert_array_equal(read(interlaced_png_of(pixels), colors)[0], pixels[..., :colors])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_another_decoder_reads_the_same(channels: int) -> None:
    pixels = (
        with_alpha(CHINA[..., : (channels - 1) // 2 * 2 + 1], 65_535) if channels % 2 == 0 else CHINA[..., :channels]
    )
    content = png_of(pixels)
    other = decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8)).numpy().transpose(1, 2, 0)
    np.testing.assert_array_equal(other, pixels)
    colors = 3 if channels > 2 else 1
    np.testing.assert_array_equal(read(content, colors)[0], other[..., :colors])


@pytest.mark.parametrize("size", [(24, 36), (53, 80), (16, 16), (214, 320)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_resize_is_that_of_floats_rounded_once(channels: int, size: tuple[int, int]) -> None:
    height, width = size
    pixels = CHINA[..., :channels]
    found, changes = read(png_of(pixels), channels, size)
    across, down = min(WIDTH, HEIGHT * width // height), min(HEIGHT, WIDTH * height // width)
    left, top = (WIDTH - across) // 2, (HEIGHT - down) // 2
    window = pixels[top : top + down, left : left + across].astype(np.float32)
    for at in range(channels):
        exact = Image.fromarray(window[..., at]).resize((width, height), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(found[..., at], np.rint(np.asarray(exact)))
    assert changes & Change.RESIZED
    assert int(found.max()) > 256


def test_a_resize_clips_no_value() -> None:
    """Of the two ends of the range, and of an edge between them, no value leaves the range or wraps around."""
    pixels = np.zeros((32, 32, 1), dtype=np.uint16)
    pixels[:, 16:] = 65_535
    for size in (8, 15, 64):
        found, _ = read(png_of(pixels), 1, (size, size))
        assert (found[:, 0] == 0).all()
        assert (found[:, -1] == 65_535).all()
        assert (np.diff(found[..., 0].astype(int), axis=1) >= 0).all()
    white = np.full((32, 32, 1), 65_535, dtype=np.uint16)
    assert (read(png_of(white), 1, (13, 13))[0] == 65_535).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_of_pillow(orientation: int) -> None:
    image = Image.fromarray(CHINA[..., 0])
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    with Image.open(io.BytesIO(buffer.getvalue())) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    found, changes = read(buffer.getvalue(), 1, upright.shape[:2])
    np.testing.assert_array_equal(found[..., 0], upright)
    assert changes == (Change.ROTATED if orientation > 1 else 0)


def test_gray_and_color_and_alpha() -> None:
    gray, color = CHINA[..., :1], CHINA
    found, changes = read(png_of(gray), 3)
    np.testing.assert_array_equal(found, gray.repeat(3, axis=-1))
    assert changes == Change.GRAY_TO_COLOR
    np.testing.assert_array_equal(read(png_of(gray.repeat(3, axis=-1)), 1)[0], gray)
    refused(png_of(color), "the image is in color, and 1 channel was asked for", "--gray", channels=1)
    found, changes = read(png_of(color), 1, gray=True)
    expected = color.astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(found[..., 0] - expected).max() <= 0.5 + 1e-6
    assert changes == Change.COLOR_TO_GRAY

    assert read(png_of(with_alpha(color, 65_535)), 3)[1] == 0
    half = png_of(with_alpha(color, 32_768))
    refused(half, "the image has transparent pixels", "--background")
    found, changes = read(half, 3, background=(255, 0, 0))
    share = 32_768 / 65_535
    assert np.abs(found - (color * share + np.array([65_535, 0, 0]) * (1 - share))).max() <= 0.5 + 1e-6
    assert changes == Change.COMPOSITED
    key = tuple(int(value) for value in color[3, 5])
    refused(png_of(color, key=key), "the image has transparent pixels", "--background")
    assert read(png_of(color, key=key), 3, background=(0, 0, 0))[0][3, 5].tolist() == [0, 0, 0]
    unused = next(value for value in range(ALL) if value not in gray)
    assert read(png_of(gray, key=(unused,)), 1)[1] == 0


def test_depth_and_levels_must_go_together() -> None:
    eight = io.BytesIO()
    Image.fromarray((CHINA >> 8).astype(np.uint8)).save(eight, "PNG")
    jpeg = io.BytesIO()
    Image.fromarray((CHINA >> 8).astype(np.uint8)).save(jpeg, "JPEG")
    for content in (eight.getvalue(), jpeg.getvalue()):
        refused(content, "up to 8 bits per channel; for 65,536 levels, it must have 16", "ask for 256 levels")
        refused(content, "for 257 levels, it must have 16", "data.levels in a spec", levels=257)
    for channels in (1, 3):
        sixteen = png_of(CHINA[..., :channels])
        refused(sixteen, "has 16 bits per channel; it must have 8", "--levels", channels, levels=256)


def test_a_value_that_is_no_level_is_refused_before_a_resize_hides_it() -> None:
    pixels = CHINA[..., :1] // 16
    found, _ = read(png_of(pixels), 1, levels=4_096)
    np.testing.assert_array_equal(found, pixels)
    pixels[50, 50] = 4_096
    for size in ((HEIGHT, WIDTH), (8, 8)):
        with pytest.raises(Unusable, match=r"the highest value is 4096; values must be 0 to 4095") as caught:
            read(png_of(pixels), 1, size, levels=4_096)
    assert "data.levels" in caught.value.remedy


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_damaged_files_are_refused(channels: int) -> None:
    content = png_of(np.concatenate((CHINA, CHINA), axis=-1)[..., :channels])
    refused(content[: len(content) // 2], "the image cannot be read", "replace or remove")
    damaged = bytearray(content)
    damaged[60:70] = bytes(10)
    refused(bytes(damaged), "the image cannot be read", "replace or remove")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs of 16 bits, in color and of several sizes."""
    folder = tmp_path / "photos"
    for part, count in (("train", 4), ("test", 2)):
        (folder / part).mkdir(parents=True)
        for index in range(count):
            pixels = photograph("flower.jpg", 3 + index) if index % 2 else photograph(step=3 + index)
            (folder / part / f"{index}.png").write_bytes(png_of(pixels))
    return folder


def test_a_folder_and_its_prepared_images_are_equal(photos: Path, tmp_path: Path, command: Any, make_spec: Any) -> None:
    spec = make_spec("folder", path=str(photos), channels=3, resolution=16, levels=ALL, validation=0)
    raw = open_split(spec, "train")
    pixels = everything(raw)
    assert pixels.dtype == np.uint16
    assert pixels.shape == (4, 16, 16, 3)
    assert pixels.max() > 256
    target = tmp_path / "set"
    shape = ("--resolution", "16", "--channels", "3", "--levels", "65536", "--out", target)
    code, out, err = command("data", "prepare", "folder", "--from", photos, *shape)
    assert code == 0, err
    assert "folder, 16x16x3, 65,536 levels, uint16" in out
    assert "of 6 files: 6 cropped to the center, 6 resized" in out
    manifest = PreparedSet.at(target).manifest
    assert (manifest.levels, manifest.dtype, len(manifest.arrays["train"].level_counts)) == (ALL, "uint16", ALL)

    prepared = open_split(spec.model_copy(update={"path": str(target)}), "train")
    np.testing.assert_array_equal(everything(prepared), pixels)
    np.testing.assert_array_equal(prepared.counted_levels(), raw.counted_levels())
    assert "uint16" in command("data", "show", target)[1]
    assert command("data", "verify", target)[0] == 0
    array = target / "train.npy"
    array.write_bytes(array.read_bytes()[:-2] + b"\0\1")
    assert command("data", "verify", target)[0] == 4


def test_prepared_images_of_other_levels(photos: Path, tmp_path: Path, make_spec: Any) -> None:
    for name in ("8", "16"):
        (tmp_path / name).mkdir()
    for index in range(10):
        dark = CHINA[..., 0] // 16
        Image.fromarray(dark).save(tmp_path / "16" / f"{index}.png")
        Image.fromarray((dark // 16).astype(np.uint8)).save(tmp_path / "8" / f"{index}.png")
    fine, coarse = data_to_prepare("folder", 8, 1, 4_096), data_to_prepare("folder", 8, 1)
    prepare(fine, tmp_path / "16", tmp_path / "fine", overwrite=False, bar=no_bar)
    prepare(coarse, tmp_path / "8", tmp_path / "coarse", overwrite=False, bar=no_bar)

    # The levels of 4,096 are also levels of 65,536, which has more that do not occur.
    for levels in (4_096, ALL):
        spec = make_spec("folder", path=str(tmp_path / "fine"), levels=levels)
        counts = open_split(spec, "train").counted_levels()
        assert (len(counts), counts.sum()) == (levels, len(open_split(spec, "train")) * 64)
    with pytest.raises(RunError, match="the highest value is"):
        open_split(make_spec("folder", path=str(tmp_path / "fine"), levels=257), "train")
    with pytest.raises(
        RunError, match=r"the images are uint8, of 256 levels; data\.levels = 4096 needs uint16"
    ) as caught:
        open_split(make_spec("folder", path=str(tmp_path / "coarse"), levels=4_096), "train")
    assert "--levels 4096" in str(caught.value.help)
    with pytest.raises(UnusableImages, match="10 image files cannot be used"):
        prepare(fine, tmp_path / "8", tmp_path / "none", overwrite=False, bar=no_bar)


def test_files_beside_an_array_have_16_bit_shades(tmp_path: Path, make_spec: Any) -> None:
    """As `hvaedsl reconstruct` and `sample` write and read them for a data set without image files."""
    levels = np.random.default_rng(0).integers(0, 1_000, (8, 8), dtype=np.uint16)
    levels[0, :2] = 0, 999
    shades = shades_of_levels(1_000)
    assert shades.dtype == np.uint16
    assert (int(shades[-1]), len(np.unique(shades))) == (65_535, 1_000)
    Image.fromarray(shades[levels]).save(tmp_path / "a.png")
    spec = make_spec("npy", levels=1_000)
    found = given_images([tmp_path / "a.png"], spec).images.batch([0])
    np.testing.assert_array_equal(found[0, ..., 0], levels)
    Image.fromarray(shades[levels] + np.uint16(1)).save(tmp_path / "b.png")
    with pytest.raises(UnusableImages, match="is that of none of the 1000 levels"):
        given_images([tmp_path / "b.png"], spec).images.batch([0])
