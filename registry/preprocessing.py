"""How a picture becomes a model's input: resize, centre crop, scale to 0…1, normalise.

Pure values and their checks, for the door as well as for the models; the pixels are
`inference.images`' concern.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeGuard, cast

from registry.refusals import N_, Refused

Size = tuple[int, int]  # height, width

MAX_SIDE = 4096  # pixels
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_KEYS = ("resize", "crop", "interpolation", "mean", "std")
_MAX_NUMBER = 1e6


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """`resize` is the shorter side, a (height, width), or None; `crop` the (height, width) kept.

    `mean` and `std` hold one number a channel, of values from 0 to 1: one means greyscale.
    """

    resize: int | Size | None
    crop: Size
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @property
    def channels(self) -> int:
        return len(self.mean)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read what an owner sent; `Refused` says what does not fit and what would."""
        given = _mapping(value)
        resize = _resize(given.get("resize"))
        mean = _mean(given.get("mean", IMAGENET_MEAN))
        std = _std(given.get("std", IMAGENET_STD))
        channels = max(len(mean), len(std))
        return cls(
            resize=resize,
            crop=_crop(given.get("crop"), resize),
            interpolation=_interpolation(given.get("interpolation", "bilinear")),
            mean=_spread(mean, channels),
            std=_spread(std, channels),
        )

    def as_json(self) -> dict[str, Any]:
        """What `parse` reads back to an equal value."""
        resize = list(self.resize) if isinstance(self.resize, tuple) else self.resize
        return {
            "resize": resize,
            "crop": list(self.crop),
            "interpolation": self.interpolation,
            "mean": list(self.mean),
            "std": list(self.std),
        }


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Refused(N_("The preprocessing must be a JSON object."))
    unknown = sorted(str(key) for key in value if key not in _KEYS)
    if unknown:
        raise Refused(
            N_("The preprocessing has no “%(key)s”; it has: %(known)s."),
            key=unknown[0][:40],
            known=", ".join(_KEYS),
        )
    return value


def _resize(value: object) -> int | Size | None:
    if value is None or _is_side(value):
        return value
    if (pair := _pair(value)) is not None:
        return pair
    raise Refused(
        N_("“resize” must be a side or [height, width], each from 1 to %(most)s, or null."),
        most=MAX_SIDE,
    )


def _crop(value: object, resize: int | Size | None) -> Size:
    """A missing crop keeps the whole of a picture that was resized to a fixed size."""
    if value is None and isinstance(resize, tuple):
        return resize
    if _is_side(value):
        return (value, value)
    if (pair := _pair(value)) is not None:
        return pair
    raise Refused(
        N_("“crop” must be a side or [height, width], each from 1 to %(most)s."), most=MAX_SIDE
    )


def _is_side(value: object) -> TypeGuard[int]:
    return type(value) is int and 1 <= value <= MAX_SIDE


def _pair(value: object) -> Size | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    height, width = value
    return (height, width) if _is_side(height) and _is_side(width) else None


def _interpolation(value: object) -> str:
    if isinstance(value, str) and value in INTERPOLATIONS:
        return value
    raise Refused(N_("“interpolation” must be one of: %(known)s."), known=", ".join(INTERPOLATIONS))


def _mean(value: object) -> tuple[float, ...]:
    if not _is_numbers(value):
        raise Refused(N_("“mean” must be a list of 1 or 3 numbers."))
    return tuple(float(number) for number in value)


def _std(value: object) -> tuple[float, ...]:
    if not _is_numbers(value) or min(value) <= 0:
        raise Refused(N_("“std” must be a list of 1 or 3 numbers above 0."))
    return tuple(float(number) for number in value)


def _is_numbers(value: object) -> TypeGuard[Sequence[float]]:
    return isinstance(value, list | tuple) and len(value) in (1, 3) and all(map(_is_number, value))


def _is_number(value: object) -> bool:
    """A bound keeps the arithmetic in FP32; NaN passes no comparison."""
    return type(value) in (int, float) and abs(cast(float, value)) <= _MAX_NUMBER


def _spread(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return numbers if len(numbers) == channels else numbers * channels
