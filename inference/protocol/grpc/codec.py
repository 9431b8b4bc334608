"""Messages to tensors and back."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aihub.problems import N_, Problem
from inference.protocol.grpc.messages import Message, message_class
from inference.protocol.tensors import Misfit
from inference.protocol.v2.binary import array_to_raw, raw_to_array, unknown_datatype
from inference.protocol.v2.infer_request import MOST_AXES, MOST_CLASSES
from inference.protocol.v2.inputs import Tensor
from inference.protocol.v2.outputs import Wanted
from inference.runtimes.base import Array
from inference.signature import DATATYPES

InferResponse = message_class("ModelInferResponse")

_SHARED_MEMORY = "shared_memory_region"
# FP16 has no field: the protocol sends it raw only.
_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def tensors_of(request: Message) -> list[Tensor]:
    """Every input, with the shape that it names; Problem 400 for what is no tensor."""
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise Problem(
            400,
            N_("There are %(inputs)s inputs and %(contents)s raw contents: send one for each."),
            inputs=len(request.inputs),
            contents=len(raw),
        )
    contents = raw or [None] * len(request.inputs)
    return [
        Tensor(tensor.name, tensor.datatype, _array(tensor, data))
        for tensor, data in zip(request.inputs, contents, strict=True)
    ]


def wanted_of(request: Message) -> list[Wanted]:
    """The outputs that are asked for; Problem 400 for parameters that do not fit."""
    return [_wanted(output) for output in request.outputs]


def timeout_of(request: Message) -> float | None:
    """Seconds that the answer may take, by the parameter `timeout` in microseconds."""
    timeout = parameters_of(request).get("timeout", 0)
    if type(timeout) is not int or timeout < 0:
        raise Problem(400, N_("“timeout” must be a number of microseconds."))
    return timeout / 1e6 or None


def parameters_of(message: Message) -> dict[str, Any]:
    """The parameters of a message, plain."""
    choices = (
        (name, value, value.WhichOneof("choice")) for name, value in message.parameters.items()
    )
    return {name: getattr(value, choice) for name, value, choice in choices if choice}


def response_of(outputs: Sequence[Tensor], head: Mapping[str, str]) -> Message:
    """The answer with its outputs raw; `head` names the model, its version and the request."""
    tensors = [{"name": o.name, "datatype": o.datatype, "shape": o.array.shape} for o in outputs]
    raw = [array_to_raw(output.array) for output in outputs]
    return InferResponse(**head, outputs=tensors, raw_output_contents=raw)


def _wanted(output: Message) -> Wanted:
    parameters = parameters_of(output)
    if _SHARED_MEMORY in parameters:
        raise Problem(400, N_("Shared memory is not available here: outputs are in the answer."))
    classes = parameters.get("classification", 0)
    if type(classes) is not int or not 0 <= classes <= MOST_CLASSES:
        raise Problem(400, N_("“classification” must be a whole number from 1 up."))
    return Wanted(output.name, classes)


def _array(tensor: Message, raw: bytes | None) -> Array:
    try:
        if _SHARED_MEMORY in tensor.parameters:
            raise Misfit(N_("Shared memory is not available here: send the tensor itself."))
        shape = _shape(tensor)
        if raw is None:
            return _typed(tensor.datatype, shape, tensor.contents)
        return raw_to_array(tensor.datatype, shape, raw)
    except Misfit as misfit:
        raise Problem(
            400,
            N_("Input “%(name)s” cannot be read."),
            errors=[{"field": tensor.name[:100], "detail": misfit}],
            name=tensor.name[:100],
        ) from misfit


def _shape(tensor: Message) -> tuple[int, ...]:
    if any(length < 1 for length in tensor.shape):
        raise Misfit(N_("“shape” must be an array of whole numbers from 1 up."))
    if len(tensor.shape) > MOST_AXES:
        raise Misfit(N_("“shape” has more than %(most)s numbers."), most=MOST_AXES)
    return tuple(tensor.shape)


def _typed(datatype: str, shape: tuple[int, ...], contents: Message) -> Array:
    """A tensor whose elements are fields of the message; Misfit where it does not fit."""
    if datatype not in DATATYPES:
        raise unknown_datatype(datatype)
    if datatype not in _CONTENTS:
        raise Misfit(N_("%(datatype)s can only be sent raw."), datatype=datatype)
    elements = getattr(contents, _CONTENTS[datatype])
    if len(elements) != math.prod(shape):
        raise Misfit(
            N_("%(shape)s takes %(expected)s elements, not %(found)s."),
            shape=list(shape),
            expected=math.prod(shape),
            found=len(elements),
        )
    try:
        return np.array(elements, DATATYPES[datatype]).reshape(shape)
    except OverflowError:
        raise Misfit(
            N_("A number is out of the range of %(datatype)s."), datatype=datatype
        ) from None
