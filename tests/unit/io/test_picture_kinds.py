"""Pictures from anywhere: turned, of 16 bits and more, in printing colours, of several pages, huge."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from schematic_reader.io import picture
from schematic_reader.io.picture import (
    PictureError,
    check_shape,
    decode_picture,
    fit_within,
    open_fitted,
    open_picture,
    page_numbers,
)
from tests.support.paths import ROOT

FORMATS_OF_MODES = [
    ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"),
    ("L", "JPEG"), ("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "WEBP"), ("RGB", "WEBP"),
    ("L", "TIFF"), ("1", "TIFF"), ("P", "TIFF"), ("CMYK", "TIFF"), ("F", "TIFF"), ("I;16", "TIFF"),
]  # fmt: skip


def drawing(size: tuple[int, int] = (80, 60)) -> Image.Image:
    """White paper with a black bar at its left edge and a black corner at the upper right."""
    image = Image.new("L", size, 255)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 15, size[1]), fill=0)
    pen.rectangle((size[0] - 24, 0, size[0], 15), fill=0)
    return image


def in_mode(grey: Image.Image, mode: str) -> Image.Image:
    levels = np.asarray(grey)
    if mode == "I;16":
        return Image.fromarray(levels.astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(levels.astype(np.float32) / 255)
    return grey.convert("RGB").convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def dark(data: bytes) -> np.ndarray:
    return np.asarray(open_picture(data).convert("L")) < 128


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(("mode", "kind"), FORMATS_OF_MODES)
def test_every_mode_is_turned_upright(mode: str, kind: str, turn: int) -> None:
    """The stored picture is turned so that its orientation turns it back."""
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    grey = drawing()
    stored = grey.transpose(methods[turn]) if turn in methods else grey
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(in_mode(stored, mode), kind, exif=exif, **options)
    decoded = decode_picture(data)
    assert (decoded.width, decoded.height) == decoded.image.size == (80, 60)
    wrong = dark(data) ^ (np.asarray(grey) < 128)
    assert wrong.mean() < (0.01 if kind == "JPEG" else 1e-9)
    assert open_fitted(data, max_side=40, max_pixels=10_000).size == (40, 30)


@pytest.mark.parametrize("exif", [b"", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"\xa5" * 40])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_turns_nothing_and_fails_nothing(kind: str, exif: bytes) -> None:
    grey = drawing()
    data = encoded(grey.convert("RGB"), kind, exif=b"Exif\0\0" + exif)
    assert decode_picture(data).image.size == (80, 60)
    assert (dark(data) ^ (np.asarray(grey) < 128)).mean() < 0.02


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_grey_of_16_bits_is_scaled_from_its_whole_range(order: str) -> None:
    levels = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
    found = open_picture(encoded(Image.fromarray(levels.astype(order)), "TIFF"))
    assert np.asarray(found)[0, :, 0].tolist() == [0, 0, 1, 128, 255]  # round(v * 255 / 65535)
    assert open_picture(encoded(Image.fromarray(levels), "PNG")).tobytes() == found.tobytes()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0.0, 0.25, 1.0], [0, 64, 255]),
        ([0.0, 51.0, 255.0], [0, 51, 255]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, float("nan"), 1.0], [0, 255, 255]),
        ([0.0, float("inf"), 0.5], [0, 255, 128]),
    ],
)
def test_floats_are_scaled_from_the_range_that_holds_them(levels: list[float], expected: list[int]) -> None:
    data = encoded(Image.fromarray(np.array([levels], np.float32)), "TIFF")
    assert np.asarray(open_picture(data))[0, :, 0].tolist() == expected


def test_integers_of_32_bits_are_scaled() -> None:
    data = encoded(Image.fromarray(np.array([[0, 1 << 20, 1 << 21]], np.int32)), "TIFF")
    assert np.asarray(open_picture(data))[0, :, 0].tolist() == [0, 128, 255]


def grey_ink_profile() -> bytes:
    """An ICC profile by which magenta and yellow are a grey of L* 50, no ink white and all else black."""
    lightness = {0b0000: 255, 0b0110: 128}
    corners = b"".join(bytes((lightness.get(ink, 0), 128, 128)) for ink in range(16))
    matrix = b"".join(struct.pack(">i", 65536 * (at in (0, 4, 8))) for at in range(9))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + bytes(range(256)) * 4 + corners
    lut += bytes(range(256)) * 3
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(lut))
    head = struct.pack(">I4sI4s4s4s", 144 + len(lut), b"", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H4s28x3i48x", 2026, 1, 1, 0, 0, 0, b"acsp", 63190, 65536, 54061)
    return head + tags + lut


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_printing_colours_follow_their_profile(kind: str) -> None:
    image = Image.new("CMYK", (40, 30), (0, 255, 255, 0))
    grey = open_picture(encoded(image, kind, icc_profile=grey_ink_profile())).getpixel((0, 0))
    assert isinstance(grey, tuple)
    assert all(abs(level - 119) <= 1 for level in grey)  # sRGB of L* 50
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (None, b"no profile", other):
        plain = open_picture(encoded(image, kind, icc_profile=profile)).getpixel((0, 0))
        assert isinstance(plain, tuple)
        assert plain[0] > 250 and max(plain[1:]) < 5


def test_pages_of_a_tiff_are_told_from_its_thumbnails() -> None:
    pages = [drawing(), drawing((20, 15)), drawing((60, 40))]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    assert page_numbers(file.getvalue()) == [0, 1, 2]
    assert [decode_picture(file.getvalue(), frame=page).image.size for page in (0, 1, 2)] == [
        (80, 60), (20, 15), (60, 40),
    ]  # fmt: skip
    thumbnail = io.BytesIO()
    pages[1].encoderinfo = {"tiffinfo": {254: 1}}  # type: ignore[attr-defined]
    pages[0].save(thumbnail, "TIFF", save_all=True, append_images=pages[1:])
    assert page_numbers(thumbnail.getvalue()) == [0, 2]
    assert page_numbers(encoded(pages[0], "PNG")) is None


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_the_picture(kind: str) -> None:
    first, second = drawing(), drawing().transpose(Image.Transpose.ROTATE_180)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    assert decode_picture(data).frames == 2
    assert (dark(data) == (np.asarray(first) < 128)).all()


HUGE = (1203, 901)
"""Over the full size that the tests allow; not divisible by 2."""


def ragged(size: tuple[int, int] = HUGE) -> Image.Image:
    """A page with much detail at every place."""
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for step in range(0, size[0], 7):
        pen.line((step, 0, size[0] - step, size[1]), fill=(step % 256, 40, 90), width=2)
    return image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("pixels", [300_000, 80_000])
def test_a_huge_png_is_reduced_in_strips(monkeypatch: pytest.MonkeyPatch, mode: str, pixels: int) -> None:
    """As the whole picture is when it is decoded first: every filter of Pillow's writer occurs."""
    image = in_mode(ragged().convert("L"), mode) if mode == "I;16" else ragged().convert(mode)
    data = encoded(image, "PNG")
    factor = 2 if pixels == 300_000 else 4
    expected = open_picture(data).reduce(factor)
    monkeypatch.setattr(picture, "FULL_SIZE_PIXELS", pixels)
    monkeypatch.setattr(picture, "_STRIP_PIXELS", 20_000)
    monkeypatch.setattr(picture, "_UNREDUCED_BYTES", 0)
    decoded = decode_picture(data)
    assert (decoded.width, decoded.height) == HUGE
    assert decoded.image.tobytes() == expected.tobytes()
    fitted = open_fitted(data, max_side=200, max_pixels=10**6)
    assert fitted.size == (200, 149)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "BMP", "WEBP"])
def test_other_huge_pictures_are_reduced_too(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    data = encoded(ragged(), kind, **({"lossless": True} if kind == "WEBP" else {}))
    whole = np.asarray(open_picture(data).reduce(2), np.float64)
    monkeypatch.setattr(picture, "FULL_SIZE_PIXELS", 300_000)
    decoded = decode_picture(data)
    assert (decoded.width, decoded.height) == HUGE and decoded.image.size == (602, 451)
    assert np.abs(np.asarray(decoded.image) - whole).mean() < (6 if kind == "JPEG" else 1e-9)


def test_a_huge_png_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(ragged().transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    monkeypatch.setattr(picture, "FULL_SIZE_PIXELS", 300_000)
    decoded = decode_picture(data)
    assert (decoded.width, decoded.height) == HUGE and decoded.image.size == (602, 451)


def test_what_is_only_decoded_whole_is_too_large_where_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture, "FULL_SIZE_PIXELS", 300_000)
    monkeypatch.setattr(picture, "_UNREDUCED_BYTES", 1_100_000)
    with pytest.raises(PictureError, match="decoded whole") as caught:
        open_picture(encoded(ragged(), "TIFF"))
    assert caught.value.reason == "too_large"
    assert decode_picture(encoded(ragged().convert("1"), "TIFF")).image.size == (602, 451)


def test_a_huge_png_that_is_cut_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(ragged(), "PNG")
    monkeypatch.setattr(picture, "FULL_SIZE_PIXELS", 300_000)
    for cut in (data[: len(data) // 2], data[:-200]):
        with pytest.raises(PictureError) as caught:
            open_picture(cut)
        assert caught.value.reason == "image_corrupt"


def test_a_vendors_usual_export_is_read_in_bounded_memory() -> None:
    """9,355 x 6,615 pixels of RGBA are 248 MB; a process that opens it takes less than half of that."""
    code = (
        "import resource, sys\n"
        "from schematic_reader.io.picture import open_fitted\n"
        "data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "image = open_fitted(data, max_side=1024, max_pixels=2**20)\n"
        "print(image.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    width, height = 9355, 6615
    row = bytes([0]) + bytes([255, 255, 255, 255]) * width
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + kind + content
        data += struct.pack(">I", zlib.crc32(kind + content))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=data, capture_output=True, check=True)
    size, _, kilobytes = done.stdout.decode().rpartition(" ")
    assert size == "(1024, 724)" and int(kilobytes) < 124_000


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((27, 500), "too_small"),
        ((500, 27), "too_small"),
        ((2801, 28), "too_narrow"),
        ((28, 2801), "too_narrow"),
    ],
)
def test_what_no_model_can_take_has_a_reason(size: tuple[int, int], reason: str) -> None:
    with pytest.raises(PictureError) as caught:
        check_shape(*size)
    assert caught.value.reason == reason
    check_shape(28, 2800)


def test_fitting_a_picture_of_full_size_is_as_before() -> None:
    data = encoded(ragged(), "PNG")
    shrunk = fit_within(open_picture(data), max_side=500, max_pixels=10**6)
    assert open_fitted(data, max_side=500, max_pixels=10**6).tobytes() == shrunk.tobytes()
