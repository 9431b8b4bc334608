"""Pictures: the same numbers as torchvision's, and nothing that a hostile one can do."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from inference.images import UnreadableImage, decode, read, to_tensor
from registry.preprocessing import INTERPOLATIONS, Preprocessing
from tests.inference.samples import photo

from torchvision.transforms import InterpolationMode, v2  # isort: skip

PIXELS = 4_000_000
PLAIN = Preprocessing(resize=None, crop=(4, 6), mean=(0.0,) * 3, std=(1.0,) * 3)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixel(image: Image.Image, x: int = 0, y: int = 0) -> object:
    return image.getpixel((x, y))


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg", "camera.png"])
@pytest.mark.parametrize(
    ("resize", "crop"), [(256, (224, 224)), ((96, 133), (90, 91)), (None, (64, 65)), (33, (40, 51))]
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_it_gives_the_numbers_of_torchvision(
    name: str, resize: object, crop: tuple[int, int], interpolation: str
) -> None:
    ours = Preprocessing(resize=resize, crop=crop, interpolation=interpolation)  # type: ignore[arg-type]
    steps = [v2.CenterCrop(crop), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    if resize:
        steps.insert(0, v2.Resize(resize, InterpolationMode(interpolation)))
    theirs = v2.Compose([*steps, v2.Normalize(ours.mean, ours.std)])
    expected = theirs(Image.open(io.BytesIO(photo(name))).convert("RGB")).numpy()
    np.testing.assert_allclose(read(photo(name), ours, PIXELS), expected, atol=1e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_it_knows_every_interpolation(interpolation: str) -> None:
    ours = Preprocessing(resize=32, crop=(32, 32), interpolation=interpolation)
    assert read(photo("chelsea.png"), ours, PIXELS).shape == (3, 32, 32)


def test_it_pads_a_picture_that_is_too_small() -> None:
    tensor = to_tensor(Image.new("RGB", (1, 1), "white"), PLAIN, PIXELS)
    assert tensor.shape == (3, 4, 6)
    assert tensor.sum() == 3.0


def test_it_makes_one_channel_for_one_mean() -> None:
    grey = Preprocessing(resize=8, crop=(8, 8), mean=(0.0,), std=(1.0,))
    assert read(photo("coffee.png"), grey, PIXELS).shape == (1, 8, 8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_it_reads_the_common_formats(kind: str) -> None:
    assert decode(encoded(Image.new("RGB", (5, 4), "red"), kind), PIXELS).size == (5, 4)


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA", "PDF"])
def test_it_refuses_other_formats(kind: str) -> None:
    with pytest.raises(UnreadableImage, match="no image"):
        decode(encoded(Image.new("RGB", (16, 16)), kind), PIXELS)


@pytest.mark.parametrize("data", [b"\0", b"hello", b"<svg/>", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_it_refuses_what_is_no_image(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        decode(data, PIXELS)


def test_it_says_that_an_image_is_empty() -> None:
    with pytest.raises(UnreadableImage, match="empty"):
        decode(b"", PIXELS)


@pytest.mark.parametrize("name", ["chelsea.png", "rocket.jpg", "multipage_rgb.tif"])
@pytest.mark.parametrize("part", [0.01, 0.3, 0.45])
def test_it_refuses_a_truncated_image(name: str, part: float) -> None:
    data = photo(name)
    with pytest.raises(UnreadableImage):
        decode(data[: int(len(data) * part)], PIXELS)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (4_000_001, 1)])
def test_it_refuses_a_decompression_bomb_by_its_head(size: tuple[int, int]) -> None:
    with pytest.raises(UnreadableImage, match="pixels"):
        decode(bomb(*size), PIXELS)


def test_it_refuses_a_thin_picture_that_would_grow_out_of_bounds() -> None:
    thin = encoded(Image.new("RGB", (100_000, 1)))
    with pytest.raises(UnreadableImage, match="pixels"):
        read(thin, Preprocessing(resize=256, crop=(224, 224)), PIXELS)


def test_it_takes_the_first_frame_of_an_animation() -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    assert pixel(decode(data, PIXELS)) == (255, 0, 0)


def test_it_reads_cmyk() -> None:
    image = decode(encoded(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "JPEG"), PIXELS)
    assert image.mode == "RGB"
    assert pixel(image) == (255, 255, 255)


def test_it_reads_a_palette() -> None:
    image = Image.new("RGB", (4, 4), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert pixel(decode(encoded(image), PIXELS)) == (10, 200, 30)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_it_lays_transparency_on_white(mode: str) -> None:
    image = Image.new(mode, (4, 4), (0,) * len(mode))
    assert pixel(decode(encoded(image), PIXELS)) == (255, 255, 255)


def test_it_lays_a_transparent_palette_on_white() -> None:
    data = encoded(Image.new("P", (4, 4)), "GIF", transparency=0)
    assert pixel(decode(data, PIXELS)) == (255, 255, 255)


def test_it_keeps_the_upper_eight_of_sixteen_bits() -> None:
    deep = Image.fromarray(np.full((4, 4), 0xABCD, dtype=np.uint16))
    assert pixel(decode(encoded(deep), PIXELS)) == 0xAB


def test_it_refuses_thirty_two_bits() -> None:
    deep = Image.fromarray(np.ones((4, 4), dtype=np.float32))
    with pytest.raises(UnreadableImage, match="32 bits"):
        decode(encoded(deep, "TIFF"), PIXELS)


def test_it_turns_a_picture_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (5, 3)), "JPEG", exif=exif)
    assert decode(data, PIXELS).size == (3, 5)
