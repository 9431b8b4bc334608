"""What a pickle of weights may name, each as an inert stand-in of our own.

Everything else is refused by name. torch itself would accept a little more (sparse, quantised and
nested tensors, `bytearray`, `set`): no served model needs it, and `bytearray(10**12)` is a bomb.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from registry.refusals import N_, Refused
from registry.scanning.tensors import (
    DTYPES,
    MAX_DIMENSIONS,
    DType,
    Storage,
    StoredTensor,
    are_sizes,
)

CALLS_CODE = N_(
    "Loading this file would call %(name)s, which has no place among weights. Send only what "
    "torch.save(model.state_dict(), …) writes."
)
HOLDS_OBJECT = N_(
    "The file holds an object of class %(name)s, which could run code. Save model.state_dict() "
    "instead of the model: torch.save(model.state_dict(), …)."
)
SPECIAL_TENSOR = N_(
    "The file holds sparse, quantised or otherwise special tensors (%(name)s). Save dense tensors, "
    "or export the model to ONNX."
)
DAMAGED = N_("The file is damaged: its list of tensors cannot be read. Save it again.")
TWO_STORAGES = N_("The storage %(key)s is described in two ways.")

_UNTYPED = DTYPES["uint8"]
_STORAGE_DTYPES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}


@dataclass(frozen=True)
class StorageType:
    """Stands for `torch.FloatStorage` and its like."""

    dtype: DType


@dataclass(frozen=True)
class Constructor:
    """Stands for a function that a pickle may call."""

    build: Callable[..., Any]


def _ordered_dict(*pairs: list[Any]) -> OrderedDict[Any, Any]:
    """Python 2 passed a list of pairs; it is used up, lest one long list become many dicts."""
    result: OrderedDict[Any, Any] = OrderedDict()
    for given in pairs:
        for key, value in given:
            put(result, key, value)
        given.clear()
    return result


def put(target: dict[Any, Any], key: object, value: object) -> None:
    """Set an item; nested tuples as keys are refused, as hashing them can take for ever."""
    if key is not None and not isinstance(key, str | int | float | bytes):
        raise Refused(DAMAGED)
    target[key] = value


def _tensor(storage: Storage, offset: int, shape: Any, stride: Any, *_: object) -> StoredTensor:
    """Of `_rebuild_tensor` and `_rebuild_tensor_v2`: the storage tells the dtype."""
    return _view(storage, offset, shape, stride, storage.dtype)


def _tensor_of(
    storage: Storage,
    offset: int,
    shape: Any,
    stride: Any,
    _grad: Any,
    _hooks: Any,
    dtype: DType,
    *_: object,
) -> StoredTensor:
    """Of `_rebuild_tensor_v3`: the storage is plain bytes."""
    return _view(storage, offset, shape, stride, dtype)


def _view(storage: object, offset: int, shape: Any, stride: Any, dtype: object) -> StoredTensor:
    if not isinstance(storage, Storage) or not isinstance(dtype, DType):
        raise Refused(DAMAGED)
    if max(len(shape), len(stride)) > MAX_DIMENSIONS:
        raise Refused(DAMAGED)
    return StoredTensor(storage, offset, tuple(shape), tuple(stride), dtype)


def _parameter(data: StoredTensor, *_: object) -> StoredTensor:
    if not isinstance(data, StoredTensor):
        raise Refused(DAMAGED)
    return data


def _ignored(*_: object) -> None:
    """Values beside the weights that nobody reads: `torch.Size`, `torch.device`."""


ALLOWED: dict[str, object] = {
    "collections.OrderedDict": Constructor(_ordered_dict),
    "torch._utils._rebuild_tensor": Constructor(_tensor),
    "torch._utils._rebuild_tensor_v2": Constructor(_tensor),
    "torch._utils._rebuild_tensor_v3": Constructor(_tensor_of),
    "torch._utils._rebuild_parameter": Constructor(_parameter),
    "torch.Size": Constructor(_ignored),
    "torch.device": Constructor(_ignored),
    "torch.storage.UntypedStorage": StorageType(_UNTYPED),
    **{f"torch.{name}": dtype for name, dtype in DTYPES.items()},
    **{f"torch.{k}Storage": StorageType(DTYPES[name]) for k, name in _STORAGE_DTYPES.items()},
}
_SPECIAL = ("torch._utils._rebuild_", "torch._tensor._rebuild_", "torch.Q", "torch.sparse")


def find(name: str) -> object:
    """The stand-in of a global by its full name; Refused unless it is allowed."""
    if name in ALLOWED:
        return ALLOWED[name]
    if name.startswith(_SPECIAL):
        raise Refused(SPECIAL_TENSOR, name=name[:200])
    is_class = name.rpartition(".")[2][:1].isupper()
    raise Refused(HOLDS_OBJECT if is_class else CALLS_CODE, name=name[:200])


def storage(identity: object, rest: Sequence[None]) -> Storage:
    """The storage of a persistent id `("storage", type, key, location, length, *rest)`."""
    match identity:
        case ("storage", StorageType(dtype), str(key), str(), int(length), *view):
            if are_sizes([length]) and view == list(rest):
                return Storage(key, dtype, length)
    raise Refused(DAMAGED)
