"""From a picture's bytes to a model's input, with Pillow and NumPy alone.

The same pixels and numbers as torchvision's transforms on PIL images. What a picture says about
itself is judged before anything is decoded: format, then number of pixels.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from aihub.problems import N_
from registry.preprocessing import Preprocessing, Size

Tensor = npt.NDArray[np.float32]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_SIXTEEN_BITS = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_THIRTY_TWO_BITS = frozenset({"I", "F"})

# Pillow's own limit counts for a process; ours is checked for each picture, before decoding.
Image.MAX_IMAGE_PIXELS = None


class UnreadableImage(Exception):
    """A picture that cannot be read: a translatable template and its values."""

    def __init__(self, message: str, /, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values


def read(data: bytes, preprocessing: Preprocessing, max_pixels: int) -> Tensor:
    """The input [C, H, W] that a model takes for an encoded picture; or UnreadableImage."""
    return to_tensor(decode(data, max_pixels), preprocessing, max_pixels)


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """The first frame, upright, as RGB or greyscale (L); transparency lies on white."""
    if not data:
        raise UnreadableImage(N_("The image is empty."))
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, max_pixels)
            image.load()
            return _eight_bits(ImageOps.exif_transpose(image))
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage(
            N_("This is no image; %(formats)s are read."), formats=", ".join(FORMATS)
        ) from None
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise UnreadableImage(
            N_("The image is damaged: %(error)s."), error=str(error)[:200].rstrip(".")
        ) from error


def to_tensor(image: Image.Image, preprocessing: Preprocessing, max_pixels: int) -> Tensor:
    """Resize, crop, scale and normalise an RGB or greyscale picture into [C, H, W]."""
    image = image.convert("L" if preprocessing.channels == 1 else "RGB")
    size = _resized(image.size, preprocessing.resize)
    _check_size(size, max_pixels)
    if size != image.size:
        image = image.resize(size, _FILTERS[preprocessing.interpolation])
    pixels = np.asarray(_centre_crop(image, preprocessing.crop), dtype=np.float32)
    return _normalised(pixels.reshape(*preprocessing.crop, -1), preprocessing)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    """`size` is (width, height). A thin picture may also grow out of bounds when resized."""
    width, height = size
    if width * height > max_pixels:
        raise UnreadableImage(
            N_("The image has %(width)s × %(height)s pixels; at most %(most)s are read."),
            width=width,
            height=height,
            most=max_pixels,
        )


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in _THIRTY_TWO_BITS:
        raise UnreadableImage(N_("The image has 32 bits a channel; 8 and 16 are read."))
    if image.has_transparency_data:
        return _on_white(image)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """What a viewer shows, rather than the colours hidden under full transparency."""
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(paper, layer).convert("RGB")


def _resized(size: tuple[int, int], wanted: int | Size | None) -> tuple[int, int]:
    """The (width, height) to resize to; a single number is for the shorter side."""
    if wanted is None:
        return size
    if isinstance(wanted, tuple):
        return (wanted[1], wanted[0])
    width, height = size
    short, long = min(size), max(size)
    longer = int(wanted * long / short)
    return (wanted, longer) if width <= height else (longer, wanted)


def _centre_crop(image: Image.Image, size: Size) -> Image.Image:
    """Black is added around a picture that is too small."""
    height, width = size
    left, top = _offset(image.width, width), _offset(image.height, height)
    return image.crop((left, top, left + width, top + height))


def _offset(length: int, wanted: int) -> int:
    """Where the crop begins; torchvision rounds a padding down and a cut to the even number."""
    if wanted > length:
        return -((wanted - length) // 2)
    return round((length - wanted) / 2)


def _normalised(pixels: npt.NDArray[np.float32], preprocessing: Preprocessing) -> Tensor:
    """[H, W, C] of 0…255 to normalised [C, H, W]."""
    mean, std = _row(preprocessing.mean), _row(preprocessing.std)
    scaled = (pixels / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def _row(numbers: tuple[float, ...]) -> npt.NDArray[Any]:
    return np.array(numbers, dtype=np.float32)
