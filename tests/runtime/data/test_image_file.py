"""One image file: what is taken, what it becomes, and what is refused with which way out."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from hvaedsl_runtime.data.fitting import Change, Fitting, parse_background
from hvaedsl_runtime.data.image_file import decode, fit_to
from hvaedsl_runtime.data.problems import Unusable

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
COLOR = Image.fromarray(PIXELS)
GRAY = Image.fromarray(PIXELS[..., 0])
HOLE = Image.fromarray(np.where(np.arange(64).reshape(8, 8) < 16, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(rows: npt.NDArray[np.generic], depth: int, color_type: int, *, key: bytes = b"") -> bytes:
    """A PNG file of a depth that Pillow does not write; `rows` are the bytes of each row."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, depth, color_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + (chunk(b"tRNS", key) if key else b"") + pixels + chunk(b"IEND", b"")


def read(content: bytes, channels: int = 3, size: int = 8, **options: Any) -> tuple[npt.NDArray[np.uint8], Change]:
    fitting = Fitting(**options)
    pixels, changes = decode(io.BytesIO(content), channels, fitting, fit_to(size, size, fitting))
    assert pixels.shape == (size, size, channels)
    assert pixels.dtype == np.uint8
    return (pixels if channels == 3 else pixels[..., 0]).astype(np.uint8), changes & ~Change.DECODED


def refused(content: bytes, reason: str, remedy: str, channels: int = 3, **options: Any) -> None:
    with pytest.raises(Unusable, match=reason) as caught:
        read(content, channels, **options)
    assert remedy in caught.value.remedy


def transparent(image: Image.Image, alpha: Image.Image | int) -> Image.Image:
    image = image.copy()
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize("size", [(8, 8), (20, 20), (13, 31), (31, 13), (5, 3)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_pixels_are_those_of_pillow(size: tuple[int, int], channels: int, orientation: int) -> None:
    """The conversion of images without alpha is fixed: prepared sets and runs of earlier versions stay the same."""
    shape = (*size, 3) if channels == 3 else size
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(image, exif=exif)
    with Image.open(io.BytesIO(content)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB" if channels == 3 else "L")
    side = min(upright.size)
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    square = upright.crop((left, top, left + side, top + side))
    found, changes = read(content, channels)
    np.testing.assert_array_equal(found, np.asarray(square.resize((8, 8), Image.Resampling.BILINEAR)))
    expected = (
        (Change.CROPPED if size[0] != size[1] else 0)
        | (Change.RESIZED if side != 8 else 0)
        | (Change.ROTATED if orientation > 1 else 0)
    )
    assert changes == expected


@pytest.mark.parametrize(
    "content",
    [
        saved(transparent(COLOR, HOLE)),
        saved(transparent(COLOR, HOLE), "WEBP", lossless=True, exact=True),
        saved(transparent(GRAY, HOLE)),
        saved(COLOR.convert("P", palette=Image.Palette.ADAPTIVE), transparency=0),
        saved(COLOR, transparency=tuple(int(value) for value in PIXELS[0, 0])),
        saved(GRAY, transparency=int(PIXELS[0, 0, 0])),
        png(np.full((8, 1), 0b01010101, dtype=np.uint8), 1, 0, key=b"\0\1"),
        png(np.full((8, 2), 0b11100100, dtype=np.uint8), 2, 0, key=b"\0\2"),
    ],
    ids=["RGBA", "webp", "LA", "palette", "color key", "gray key", "1 bit key", "2 bit key"],
)
def test_transparent_pixels_are_refused_or_composited(content: bytes) -> None:
    refused(content, "the image has transparent pixels, and no background is given", "--background white, black or #rr")
    white, changes = read(content, background=(255, 255, 255))
    black, _ = read(content, background=(0, 0, 0))
    assert changes & Change.COMPOSITED
    holes = (white != black).any(axis=-1)
    assert 0 < holes.sum() < 64
    assert (white[holes] == 255).all()
    assert (black[holes] == 0).all()


def test_compositing_mixes_before_it_resizes() -> None:
    half = saved(transparent(Image.new("RGB", (16, 16), (200, 0, 0)), 128))
    found, changes = read(half, background=parse_background("#0000ff"))
    assert np.unique(found.reshape(-1, 3), axis=0).tolist() == [[100, 0, 127]]
    assert changes == Change.COMPOSITED | Change.RESIZED
    gray, _ = read(saved(transparent(GRAY, HOLE)), 1, background=(255, 255, 255))
    np.testing.assert_array_equal(gray, np.where(np.asarray(HOLE) == 255, PIXELS[..., 0], 255))


@pytest.mark.parametrize("image", [COLOR, GRAY], ids=["color", "gray"])
def test_an_opaque_alpha_channel_is_no_loss(image: Image.Image) -> None:
    found, changes = read(saved(transparent(image, 255)))
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))
    assert changes in (0, Change.GRAY_TO_COLOR)


def test_colors_become_gray_only_if_that_is_allowed_or_no_loss() -> None:
    refused(saved(COLOR), "the image is in color, and 1 channel was asked for", "--gray", 1)
    found, changes = read(saved(COLOR), 1, gray=True)
    np.testing.assert_array_equal(found, np.asarray(COLOR.convert("L")))
    assert changes == Change.COLOR_TO_GRAY
    for same in (GRAY.convert("RGB"), GRAY.convert("P"), transparent(GRAY.convert("RGB"), 255)):
        found, changes = read(saved(same), 1)
        np.testing.assert_array_equal(found, np.asarray(GRAY))
        assert not changes
    assert read(saved(GRAY), 3)[1] == Change.GRAY_TO_COLOR


def test_fewer_bits_are_taken_and_more_are_refused() -> None:
    found, _ = read(png(np.full((8, 2), 0b11100100, dtype=np.uint8), 2, 0), 1)
    assert found[0].tolist() == [255, 170, 85, 0] * 2
    assert np.unique(read(saved(GRAY.convert("1")), 1)[0]).tolist() == [0, 255]
    gray16 = png(np.full((8, 8), 300, dtype=">u2"), 16, 0)
    color16 = png(np.full((8, 24), 300, dtype=">u2"), 16, 2)
    for content in (gray16, color16, png(np.full((8, 32), 300, dtype=">u2"), 16, 6)):
        refused(content, "the image has 16 bits per channel; it must have 8", "convert the files to 8 bits per channel")


@pytest.mark.parametrize(
    ("content", "reason", "remedy"),
    [
        (
            saved(COLOR.convert("CMYK"), "JPEG"),
            "the colors are CMYK; they must be gray or RGB",
            "convert the files to RGB",
        ),
        (saved(COLOR, "GIF"), "the content is GIF", "convert the files to PNG"),
        (
            saved(COLOR, save_all=True, append_images=[GRAY.convert("RGB")]),
            "an animation of 2 frames",
            "save one frame",
        ),
        (
            saved(COLOR, "WEBP", save_all=True, append_images=[GRAY.convert("RGB")]),
            "an animation of 2",
            "save one frame",
        ),
        (b"", "it is empty", "replace or remove"),
        (b"<!DOCTYPE html>", "a web page or other markup", "replace or remove"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer", "git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC, AVIF or a video", "convert the files to PNG"),
        (b"\xff\x0a" + bytes(60), "the content is JPEG XL", "convert the files to PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "the content is JPEG XL", "convert the files to PNG"),
        (b"\x1aE\xdf\xa3" + bytes(60), "the content is a video", "convert the files to PNG"),
        (b"\xff\xd8\xff\xc0\0\x11\x0c\0\x08\0\x08" + bytes(20), "more than 8 bits per channel", "replace or remove"),
        (saved(COLOR)[:80], "the image cannot be read", "replace or remove"),
        (saved(COLOR.resize((64, 64)), "JPEG")[:700], "the image cannot be read", "replace or remove"),
    ],
)
def test_other_files_are_refused_by_name(content: bytes, reason: str, remedy: str) -> None:
    refused(content, reason, remedy)


def with_text(count: int, size: int) -> bytes:
    texts = PngImagePlugin.PngInfo()
    for number in range(count):
        texts.add_text(f"prompt {number}", "x" * size, zip=True)
    return saved(COLOR, pnginfo=texts)


@pytest.mark.parametrize("count", [1, 4])
def test_a_png_with_large_metadata_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    np.testing.assert_array_equal(read(with_text(count, 2**18))[0], PIXELS)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 2**19)
    refused(with_text(count, 2**20 // count + 1), "metadata is too large", "save such files again without metadata")


def test_an_image_beyond_the_limit_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow warns of more than this many pixels, and decodes up to twice as many. Here, its warning would be an error.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    assert read(saved(COLOR))[0].shape == (8, 8, 3)
    refused(saved(COLOR.resize((12, 9))), "the image has 108 pixels; at most 100 are decoded", "vips thumbnail")


def test_damaged_exif_data_is_ignored_without_a_warning() -> None:
    # EXIF data of 5 entries, of which none is there. Here, a warning of Pillow would be an error.
    damaged = saved(COLOR, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05")
    with Image.open(io.BytesIO(damaged)) as image, pytest.warns(UserWarning, match="Corrupt EXIF data"):
        image.getexif()
    found, changes = read(damaged)
    np.testing.assert_array_equal(found, PIXELS)
    assert changes == Change.EXIF_DAMAGED


def test_the_content_decides_and_not_the_suffix() -> None:
    assert read(saved(COLOR, "JPEG"))[0].shape == (8, 8, 3)  # as in a file called .png


def test_profiles_and_further_pictures_are_said() -> None:
    assert read(saved(COLOR, icc_profile=b"profile"))[1] == Change.PROFILE_IGNORED
    found, changes = read(saved(COLOR, "MPO", save_all=True, append_images=[GRAY.convert("RGB")], quality=100))
    assert changes == Change.FURTHER_PICTURES_IGNORED
    np.testing.assert_array_equal(found, read(saved(COLOR, "JPEG", quality=100))[0])


def test_crop_and_resize_can_be_refused() -> None:
    wide, large = saved(Image.new("RGB", (9, 8))), saved(Image.new("RGB", (9, 9)))
    allowed = "allow it with data.fit in a spec, --fit of `hvaedsl data prepare`"
    refused(wide, "the image is 9 wide and 8 high; it must be square", f"crop the files, or {allowed}", crop=False)
    refused(large, "the image is 9x9; it must be 8x8", f"resize the files, or {allowed}", resize=False)
    assert read(wide, resize=False)[1] == Change.CROPPED
    assert read(large, crop=False)[1] == Change.RESIZED
