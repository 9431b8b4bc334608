"""Pictures as a version's inputs: an owner's or photographs, and views of them."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from inference import images
from inference.runtimes.base import Array
from registry.preprocessing import Preprocessing

MAX_PICTURES = 256  # of an owner; more say little that these do not
_MAX_PIXELS = 200_000_000
_SMALLEST_VIEW = 0.5  # of a picture's sides
_PHOTOGRAPHS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Inputs [N, C, H, W] on disk: first `originals` pictures as they are, then views of them."""

    tensors: Array
    originals: int


def photographs() -> Iterator[bytes]:
    """Those that scikit-image carries."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    return ((folder / name).read_bytes() for name in _PHOTOGRAPHS)


def shelve(
    encoded: Iterable[bytes], preprocessing: Preprocessing, count: int, folder: Path
) -> Shelf | None:
    """All readable pictures, and views of them until there are `count`; None without a picture.

    They lie in a file without a name: hundreds of large inputs need not fit into memory.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        pictures = []
        for picture in islice(_decoded(encoded, preprocessing), MAX_PICTURES):
            images.to_tensor(picture, preprocessing, _MAX_PIXELS).tofile(file)
            pictures.append(_reduced(picture, preprocessing))
        if not pictures:
            return None
        views = max(count - len(pictures), 0)
        for view in islice(_views(pictures), views):
            images.to_tensor(view, preprocessing, _MAX_PIXELS).tofile(file)
        file.flush()
        shape = (len(pictures) + views, preprocessing.channels, *preprocessing.crop)
        return Shelf(np.memmap(file, np.float32, "r", shape=shape), len(pictures))


def _decoded(encoded: Iterable[bytes], preprocessing: Preprocessing) -> Iterator[Image.Image]:
    for data in encoded:
        try:
            picture = images.decode(data, _MAX_PIXELS)
            images.to_tensor(picture, preprocessing, _MAX_PIXELS)
        except images.UnreadableImage:
            continue
        yield picture


def _reduced(picture: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Small enough to keep many, large enough that the smallest view need not be enlarged."""
    side = 3 * max(preprocessing.crop)
    small = picture.copy()
    small.thumbnail((side, side))
    return small


def _views(pictures: list[Image.Image]) -> Iterator[Image.Image]:
    """Crops of half to all of a picture's sides, every other one mirrored; the same every time."""
    random = np.random.default_rng(0)
    while True:
        for picture in pictures:
            view = _crop(picture, *random.uniform(_SMALLEST_VIEW, 1, 2), *random.uniform(0, 1, 2))
            yield ImageOps.mirror(view) if random.integers(2) else view


def _crop(
    picture: Image.Image, width: float, height: float, left: float, top: float
) -> Image.Image:
    """A part by shares: of the sides, and of the room that is left beside it."""
    wide = max(1, round(picture.width * width))
    high = max(1, round(picture.height * height))
    x, y = round((picture.width - wide) * left), round((picture.height - high) * top)
    return picture.crop((x, y, x + wide, y + high))
