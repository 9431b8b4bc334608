"""Encoded images to a batch for the model, off the event loop."""

import asyncio
import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from aihub.problems import N_, Problem
from inference.images import Tensor, UnreadableImage, read
from registry.preprocessing import Preprocessing

Encoded = bytes | str


async def batch_of(
    images: Sequence[Encoded],
    preprocessing: Preprocessing,
    *,
    pixels: int,
    field: str,
    workers: ThreadPoolExecutor,
) -> Tensor:
    """[N, C, H, W] of N images (texts are base64); Problem 422 names each that is unreadable."""
    loop = asyncio.get_running_loop()
    tasks = [loop.run_in_executor(workers, _read, image, preprocessing, pixels) for image in images]
    read_images = await asyncio.gather(*tasks)
    errors = [
        {"field": field, "index": index, "detail": found}
        for index, found in enumerate(read_images)
        if isinstance(found, UnreadableImage)
    ]
    if errors:
        raise Problem(422, N_("An image cannot be read."), errors=errors)
    return np.stack([found for found in read_images if not isinstance(found, UnreadableImage)])


def from_base64(text: str) -> bytes:
    """The bytes of standard base64, with or without a `data:` URL around it; UnreadableImage."""
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raise UnreadableImage(N_("This is not base64.")) from None


def _read(image: Encoded, preprocessing: Preprocessing, pixels: int) -> Tensor | UnreadableImage:
    try:
        data = from_base64(image) if isinstance(image, str) else image
        return read(data, preprocessing, pixels)
    except UnreadableImage as error:
        return error
