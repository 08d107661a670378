"""One pass over a picture's pixels: plain PNG, read strip by strip, is judged and digested as by Pillow."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from schematic_reader.cleaning import picture_scan
from schematic_reader.cleaning.picture_scan import PictureScan, scan_picture
from schematic_reader.io.picture import PictureError, decode_picture
from tests.support.raw_rows import png

LIMIT = 10**6


def page(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A page with bars, partly see-through."""
    image, rng = Image.new("RGBA", size, "white"), random.Random(seed)
    pen = ImageDraw.Draw(image)
    for _ in range(30):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        pen.rectangle((x, y, x + size[0] // 12, y + size[1] // 16), (132, rng.randrange(256), 0, 255))
    pen.rectangle((0, size[1] // 2, size[0] // 4, size[1]), (0, 0, 0, 60))
    return image


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def plain(
    image: Image.Image, pack: Callable[[bytes], bytes] = zlib.compress, between: bytes = b"", pieces: int = 1
) -> bytes:
    """The picture as PNG of 8-bit RGBA without row filters."""
    rows = np.pad(np.asarray(image).reshape(image.height, -1), ((0, 0), (1, 0)))
    packed = pack(rows.tobytes())
    cuts = [len(packed) * piece // pieces for piece in range(pieces + 1)]
    data = b"".join(chunk(b"IDAT", packed[a:b]) for a, b in pairwise(cuts))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *image.size, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + between + data + chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow must not be asked."""

    def asked(*_: object, **__: object) -> Image.Image:
        raise AssertionError("Pillow was asked")

    monkeypatch.setattr(picture_scan, "decode_picture", asked)


@pytest.mark.parametrize("size", [(300, 200), (33, 32), (7, 5), (1, 1), (1, 90), (500, 3), (40, 9000)])
def test_a_picture_is_the_same_however_it_is_encoded(size: tuple[int, int]) -> None:
    image = page(size)
    scanned = scan_picture(plain(image), max_pixels=LIMIT)
    assert (scanned.width, scanned.height) == size
    for other in (
        encoded(image, "PNG"),
        encoded(image, "TIFF"),
        plain(image, between=chunk(b"tEXt", b"a\0b")),
    ):
        assert scan_picture(other, max_pixels=LIMIT) == scanned


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("pieces", [1, 3])
def test_a_plain_picture_is_read_without_pillow(pieces: int) -> None:
    image = page((300, 200))
    assert scan_picture(plain(image, pieces=pieces), max_pixels=LIMIT).pixel_digest
    stored = plain(image, lambda rows: zlib.compress(rows, 0))
    assert scan_picture(stored, max_pixels=LIMIT) == scan_picture(plain(image), max_pixels=LIMIT)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "I;16"])
def test_other_modes_are_digested_as_rgba(mode: str) -> None:
    image = Image.open(io.BytesIO(encoded(page((90, 70)).convert("L").convert(mode), "PNG")))
    pixels = image.convert("RGBA")
    if mode == "I;16":  # values of 0 to 255 in 16 bits are nearly black
        grey = np.rint(np.asarray(image) / 257).astype(np.uint8)
        pixels = Image.fromarray(grey).convert("RGBA")
    assert scan_picture(encoded(image, "PNG"), max_pixels=LIMIT) == replace(
        scan_picture(plain(pixels), max_pixels=LIMIT), blank=mode == "I;16"
    )


def test_two_pictures_of_16_bits_are_two_pictures() -> None:
    greys = [np.asarray(page((90, 70), seed).convert("L"), np.uint16) * 257 for seed in (1, 2)]
    scans = [scan_picture(encoded(Image.fromarray(grey), "PNG"), max_pixels=LIMIT) for grey in greys]
    assert scans[0].pixel_digest != scans[1].pixel_digest
    eight = [Image.fromarray((grey // 257).astype(np.uint8)) for grey in greys]
    assert scans == [scan_picture(encoded(grey, "PNG"), max_pixels=LIMIT) for grey in eight]


def test_a_turned_picture_is_the_upright_one() -> None:
    image, exif = page((90, 70)), Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    assert scan_picture(file.getvalue(), max_pixels=LIMIT) == scan_picture(plain(image), max_pixels=LIMIT)


@pytest.mark.parametrize("kind", ["plain", "PNG"])
@pytest.mark.parametrize(
    ("paint", "blank"),
    [
        ((255, 255, 255, 255), True),
        ((0, 0, 0, 0), True),
        ((240, 241, 255, 255), True),  # under 16 levels from white
        ((239, 255, 255, 255), False),
        ((255, 255, 255, 0), True),
        ((0, 0, 0, 255), False),
    ],
)
def test_a_page_without_contrast_is_blank(kind: str, paint: tuple[int, ...], blank: bool) -> None:
    image = Image.new("RGBA", (300, 200), "white")
    if paint == (0, 0, 0, 0):
        image = Image.new("RGBA", (300, 200), paint)
    image.putpixel((150, 40), paint)
    data = plain(image) if kind == "plain" else encoded(image, "PNG")
    assert scan_picture(data, max_pixels=LIMIT).blank is blank


def test_frames_are_counted_and_the_first_is_scanned() -> None:
    pages = [page((90, 70), seed).convert("RGB") for seed in (1, 2, 3)]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    scan = scan_picture(file.getvalue(), max_pixels=LIMIT)
    assert scan == replace(scan_picture(encoded(pages[0], "PNG"), max_pixels=LIMIT), frames=3)


def test_one_value_changed_in_any_channel_is_another_picture() -> None:
    image = page((90, 70))
    digests = {scan_picture(plain(image), max_pixels=LIMIT).pixel_digest}
    for channel in range(4):
        pixels = np.array(image)
        pixels[41, 17, channel] ^= 1
        digests.add(scan_picture(plain(Image.fromarray(pixels)), max_pixels=LIMIT).pixel_digest)
    turned = [image.transpose(turn) for turn in Image.Transpose]
    digests |= {scan_picture(plain(other), max_pixels=LIMIT).pixel_digest for other in turned}
    assert len(digests) == 5 + 7


@pytest.mark.parametrize("size", [(300, 200), (1123, 795), (20, 16)])
def test_the_perceptual_hash_is_that_of_the_means_of_cells(size: tuple[int, int]) -> None:
    """By brute force in float64: ink of a cell, darker than its left neighbour, no frame."""
    image = page(size, seed=3)
    pixels = np.asarray(image, np.float64)
    width, height = size
    across, down = min(33, width), min(32, height)
    ink = np.zeros((32, 33))
    for row in range(32):
        for column in range(33):
            y, x = row * down // 32, column * across // 33
            cell = pixels[
                height * y // down : height * (y + 1) // down, width * x // across : width * (x + 1) // across
            ]
            ink[row, column] = (255 - cell[..., 1].mean()) * cell[..., 3].mean() / 255
    bits = ""
    for row in range(32):
        for column in range(32):
            inner = 2 <= row < 30 and 2 <= column < 30 and not (row >= 24 and column >= 16)
            bits += str(int(inner and ink[row, column + 1] - ink[row, column] > 2))
    assert scan_picture(plain(image), max_pixels=LIMIT).perceptual_hash == int(bits, 2)
    assert bits.count("1") > 20


def verdict(data: bytes) -> PictureScan | str:
    try:
        return scan_picture(data, max_pixels=LIMIT)
    except PictureError as error:
        return error.reason


def test_damage_is_judged_as_by_pillow() -> None:
    """Bytes flipped, cut or repeated: what is taken is what Pillow decodes, to the pixel."""
    rng = random.Random(1)
    data = plain(page((64, 48)))
    corrupt = 0
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 4])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        found = verdict(bytes(damaged))
        try:
            image = decode_picture(bytes(damaged), max_pixels=LIMIT).image
        except PictureError as error:
            assert found == error.reason
            corrupt += found == "image_corrupt"
        else:
            assert found == scan_picture(plain(image.convert("RGBA")), max_pixels=LIMIT)
    assert corrupt > 300


def with_checksum(change: int) -> Callable[[bytes], bytes]:
    """Packing with another Adler-32 behind the rows."""

    def pack(rows: bytes) -> bytes:
        packed = zlib.compress(rows)
        return packed[:-4] + struct.pack(">I", int.from_bytes(packed[-4:]) ^ change)

    return pack


@pytest.mark.parametrize(
    "pack",
    [
        with_checksum(1),
        lambda rows: zlib.compress(rows)[:-4],
        lambda rows: zlib.compress(rows[: len(rows) // 2]),
        lambda rows: zlib.compress(rows[:-1]),
        lambda rows: b"\x79" + zlib.compress(rows)[1:],
        lambda rows: zlib.compress(rows)[:-9],
        lambda rows: zlib.compress(b"\7" + rows[1:]),
        lambda rows: b"",
    ],
    ids=["checksum", "no checksum", "half", "a byte short", "head", "cut", "unknown filter", "nothing"],
)
def test_rows_that_are_not_sound_are_left_to_pillow(pack: Callable[[bytes], bytes]) -> None:
    data = plain(page((64, 48)), pack)
    try:
        image = decode_picture(data).image
    except PictureError as error:
        assert verdict(data) == error.reason
    else:
        assert verdict(data) == verdict(plain(image))


def test_rows_with_filters_are_decoded() -> None:
    image = page((64, 48))
    rows = np.asarray(image).reshape(48, -1)
    up = np.concatenate([rows[:1], rows[1:] - rows[:-1]])  # of bytes, modulo 256
    filtered = np.pad(up, ((0, 0), (1, 0)), constant_values=2).tobytes()
    assert verdict(plain(image, lambda _: zlib.compress(filtered))) == verdict(plain(image))


def test_more_rows_than_the_header_declares_are_not_read() -> None:
    data = plain(page((64, 48)), lambda rows: zlib.compress(rows + bytes(10**6)))
    assert verdict(data) == verdict(plain(page((64, 48))))


@pytest.mark.parametrize("size", [(1001, 1000), (60_000, 60_000)])
def test_a_plain_picture_over_the_limit_is_too_large(size: tuple[int, int]) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**5))) + chunk(b"IEND", b"")
    assert verdict(data) == "too_large"


def test_noise_of_tests_is_scanned_as_well() -> None:
    assert scan_picture(png(1), max_pixels=LIMIT) != scan_picture(png(2), max_pixels=LIMIT)
