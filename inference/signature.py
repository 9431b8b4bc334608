"""What goes into a model and what comes out, in the Open Inference Protocol's terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

DATATYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The protocol's name of a NumPy dtype; text of any kind is BYTES."""
    return _NAMES.get(dtype, "BYTES")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A named tensor; -1 in `shape` stands for any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return DATATYPES[self.datatype]

    @property
    def is_float(self) -> bool:
        return self.datatype.startswith("FP")

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an array of this shape may stand here."""
        return len(shape) == len(self.shape) and all(
            wanted in (-1, length) for wanted, length in zip(self.shape, shape, strict=True)
        )

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(value["name"], value["datatype"], tuple(value["shape"]))


def described(specs: Sequence[TensorSpec]) -> str:
    """What is expected, for a person: `input FP32 [-1, 3, 224, 224]`."""
    return ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in specs)


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs; `probabilities` says that a classifier's scores need no softmax."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    probabilities: bool = False

    @property
    def scores(self) -> TensorSpec | None:
        """The output that holds a classifier's scores, [N, classes]: the first that can."""
        return next((o for o in self.outputs if o.is_float and len(o.shape) == 2), None)

    def as_json(self) -> dict[str, Any]:
        return {
            "inputs": [tensor.as_json() for tensor in self.inputs],
            "outputs": [tensor.as_json() for tensor in self.outputs],
            "probabilities": self.probabilities,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            inputs=tuple(TensorSpec.from_json(tensor) for tensor in value["inputs"]),
            outputs=tuple(TensorSpec.from_json(tensor) for tensor in value["outputs"]),
            probabilities=value["probabilities"],
        )
