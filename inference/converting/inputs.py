"""What a program takes, as its owner says: a TorchScript archive does not tell itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from inference.converting.program import ELEMENTS
from inference.spec import ModelSpec
from registry.refusals import N_, Refused

INPUTS = "inputs"  # of a version's options
MAX_INPUTS, MAX_DIMENSIONS, MAX_LENGTH = 64, 16, 1 << 31
NO_CROP = N_(
    "A TorchScript model does not say how large its images are. Send preprocessing with a crop, "
    'for instance {"crop": [224, 224]}.'
)
NO_INPUTS = N_(
    "A TorchScript model does not say what it takes. Send options with its inputs in their order, "
    '-1 for any length, for instance {"inputs": [{"shape": [-1, 64], "dtype": "FP32"}]}.'
)
BAD_INPUTS = N_(
    'The inputs in options must be a list like [{"shape": [-1, 64], "dtype": "FP32"}]; '
    "dtype is one of %(known)s."
)


def declared_inputs(spec: ModelSpec) -> list[dict[str, Any]]:
    """`{shape, dtype}` of each input, in order; empty where the owner said nothing."""
    given = spec.options.get(INPUTS)
    if given is not None:
        return _checked(given)
    if spec.takes_images and spec.preprocessing is not None:
        shape = [-1, spec.preprocessing.channels, *spec.preprocessing.crop]
        return [{"shape": shape, "dtype": "FP32"}]
    return []


def required_inputs(spec: ModelSpec) -> list[dict[str, Any]]:
    """As `declared_inputs`; Refused, naming what to add, where they are needed and not known."""
    inputs = declared_inputs(spec)
    if not inputs:
        raise Refused(NO_CROP if spec.takes_images else NO_INPUTS)
    return inputs


def _checked(given: object) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not 0 < len(given) <= MAX_INPUTS:
        raise Refused(BAD_INPUTS, known=", ".join(ELEMENTS))
    if not all(map(_is_input, given)):
        raise Refused(BAD_INPUTS, known=", ".join(ELEMENTS))
    return [{"shape": v["shape"], "dtype": v.get("dtype", "FP32")} for v in given]


def _is_input(value: object) -> bool:
    if not isinstance(value, Mapping) or not set(value) <= {"name", "shape", "dtype"}:
        return False
    dtype = value.get("dtype", "FP32")
    return _is_shape(value.get("shape")) and isinstance(dtype, str) and dtype in ELEMENTS


def _is_shape(shape: object) -> bool:
    if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) > MAX_DIMENSIONS:
        return False
    return all(type(n) is int and (n == -1 or 0 < n <= MAX_LENGTH) for n in shape)
