"""Tensors as torch stores them: views into storages, checked against the bytes there are."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from registry.refusals import N_, Refused, in_layer
from registry.scanning.report import TensorInfo

MAX_DIMENSIONS = 64
OUTSIDE = N_(
    "The tensor %(tensor)s claims %(claimed)s bytes, but only %(stored)s are stored for it. "
    "Save a contiguous copy: tensor.clone()."
)
MALFORMED = N_("The tensor %(tensor)s is described by impossible numbers.")


@dataclass(frozen=True)
class DType:
    """An element type by torch's name, and its size in bytes."""

    name: str
    itemsize: int


DTYPES = {
    name: DType(name, itemsize)
    for itemsize, names in {
        1: "bool uint8 int8 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz "
        "float8_e8m0fnu",
        2: "int16 uint16 float16 bfloat16",
        4: "int32 uint32 float32",
        8: "int64 uint64 float64 complex64",
        16: "complex128",
    }.items()
    for name in names.split()
}


@dataclass(frozen=True)
class Storage:
    """A run of bytes under a key, in elements of one type."""

    key: str
    dtype: DType
    length: int

    @property
    def nbytes(self) -> int:
        return self.length * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A view of a storage; offset and strides count elements. Nothing is allocated for it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: DType

    @property
    def info(self) -> TensorInfo:
        return TensorInfo(self.dtype.name, self.shape)

    @property
    def claimed(self) -> int:
        """The bytes a copy would need, or the reach into the storage when that is more."""
        count = prod(self.shape)
        if count == 0:
            return 0
        steps = ((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        return max(count, self.offset + sum(steps) + 1) * self.dtype.itemsize


@in_layer("tensors")
def check(tensor: StoredTensor, name: str) -> None:
    """Refuse a tensor that reaches beyond its storage or repeats it (stride 0)."""
    numbers = (tensor.offset, *tensor.shape, *tensor.stride)
    if not are_sizes(numbers) or len(tensor.shape) != len(tensor.stride):
        raise Refused(MALFORMED, tensor=name)
    if tensor.claimed > tensor.storage.nbytes:
        raise Refused(OUTSIDE, tensor=name, claimed=tensor.claimed, stored=tensor.storage.nbytes)


def are_sizes(numbers: Iterable[object]) -> bool:
    """Whether all are whole, not negative and fit 63 bits; `True` is no number here."""
    return all(type(number) is int and 0 <= number < 1 << 63 for number in numbers)
