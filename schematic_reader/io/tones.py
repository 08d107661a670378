"""Pictures of 16 and 32 bits a channel, and of printing colours, in 8 bits a channel.

Pillow's own conversion cuts 16 bits and floats at 255, which turns a scan wholly white.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_PHOTOMETRIC, _BITS_PER_SAMPLE = 262, 258  # TIFF tags
_WHITE_IS_ZERO = 0


def eight_bit(image: Image.Image) -> Image.Image:
    """The loaded image with 8 bits a channel: itself, or a copy where it has more or printing colours.

    Grey of 16 bits is scaled from its full range; integers and floats of 32 bits from the smallest usual
    range (1 for floats, 255, 65535) that holds all of them, else from their own. CMYK follows its profile,
    if it has one that can be read.
    """
    if image.mode.startswith("I;16"):
        return _from_16_bits(image)
    if image.mode in ("I", "F"):
        return _from_32_bits(image)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    if image.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return _required(ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB"))
    return image


def _from_16_bits(image: Image.Image) -> Image.Image:
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, 16)
    highest = 4095 if bits in (12, (12,)) else 65535
    levels = np.asarray(image).astype(np.uint32)
    grey = np.minimum((levels * 255 + highest // 2) // highest, 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[levels == transparent] = 255
    return Image.fromarray(grey)


def _from_32_bits(image: Image.Image) -> Image.Image:
    levels = np.asarray(image).astype(np.float64)
    finite = levels[np.isfinite(levels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for top in (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0):
        if low >= 0 and high <= top:
            low, high = 0.0, top
            break
    levels = np.nan_to_num(levels, nan=high, posinf=high, neginf=low)  # what is no number is paper
    scaled = (levels - low) * (255 / (high - low if high > low else 1.0))
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            rgb = ImageCms.createProfile("sRGB")
            return _required(ImageCms.profileToProfile(image, source, rgb, outputMode="RGB"))
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, or one of other colours
    return image.convert("RGB")


def _required(image: Image.Image | None) -> Image.Image:
    """``profileToProfile`` returns None only where it changes its input."""
    if image is None:
        raise TypeError("profileToProfile changed its input")
    return image
