"""The body of an inference request: JSON, with its tensors in it or raw behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from aihub.problems import N_, Problem
from inference.protocol.tensors import Misfit
from inference.protocol.v2.binary import raw_to_array
from inference.protocol.v2.inputs import Tensor
from inference.protocol.v2.json_tensors import json_to_array
from inference.protocol.v2.outputs import Wanted
from inference.runtimes.base import Array

MOST_CLASSES = 1_000_000_000
MOST_AXES = 32
_NOTHING: Mapping[str, Any] = {}


@dataclass(slots=True)
class InferRequest:
    """What was asked: `binary` for outputs that nobody named, `timeout` in microseconds."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[Wanted] = field(default_factory=list)
    binary: bool = False
    timeout: int | None = None

    @property
    def items(self) -> int:
        """The rows of the first input."""
        shape = self.inputs[0].array.shape
        return shape[0] if shape else 1


def parse(body: bytes, header_length: int | None) -> InferRequest:
    """Read a body whose first `header_length` bytes are JSON, or all; Problem 400."""
    if header_length is None:
        return _request(_json(body), _Blobs(memoryview(b"")))
    if header_length > len(body):
        raise Problem(400, N_("The JSON is longer than the body."))
    blobs = _Blobs(memoryview(body)[header_length:])
    request = _request(_json(memoryview(body)[:header_length]), blobs)
    blobs.check_end()
    return request


class _Blobs:
    """The raw tensors behind the JSON, taken one after the other."""

    def __init__(self, rest: memoryview) -> None:
        self._rest = rest

    def take(self, size: object) -> memoryview:
        if type(size) is not int or not 0 <= size <= len(self._rest):
            raise Misfit(N_("“binary_data_size” is not the size of what follows the JSON."))
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def check_end(self) -> None:
        if len(self._rest):
            raise Problem(
                400, N_("%(bytes)s bytes at the end belong to no input."), bytes=len(self._rest)
            )


def _json(body: bytes | memoryview) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, N_("The body is not JSON: %(error)s."), error=str(error)) from None


def _request(value: Any, blobs: _Blobs) -> InferRequest:
    if type(value) is not dict:
        raise Problem(400, N_("The body must be a JSON object with “inputs”."))
    inputs = value.get("inputs")
    if type(inputs) is not list or not inputs:
        raise Problem(400, N_("“inputs” must be an array of tensors."))
    request = InferRequest([_input(given, blobs) for given in inputs], _id(value))
    if "parameters" in value:
        parameters = _parameters(value)
        request.binary = _flag(parameters, "binary_data_output", default=False)
        request.timeout = _timeout(parameters)
    if value.get("outputs"):
        request.outputs = _outputs(value["outputs"], request.binary)
    return request


def _id(value: Mapping[str, Any]) -> str | None:
    found = value.get("id")
    if found is not None and type(found) is not str:
        raise Problem(400, N_("“id” must be a text."))
    return found


def _input(given: Any, blobs: _Blobs) -> Tensor:
    name = _name(given, "inputs")
    datatype = given.get("datatype")
    if type(datatype) is not str:
        raise Problem(400, N_("Input “%(name)s” needs a “datatype”."), name=name[:100])
    try:
        return Tensor(name, datatype, _array(given, datatype, _shape(given), blobs))
    except Misfit as misfit:
        raise Problem(
            400,
            N_("Input “%(name)s” cannot be read."),
            errors=[{"field": name[:100], "detail": misfit}],
            name=name[:100],
        ) from misfit


def _array(given: dict[str, Any], datatype: str, shape: list[int], blobs: _Blobs) -> Array:
    if "parameters" in given:
        parameters = _parameters(given)
        if "shared_memory_region" in parameters:
            raise Misfit(N_("Shared memory is not available here: send the tensor itself."))
        if "binary_data_size" in parameters:
            return raw_to_array(datatype, shape, blobs.take(parameters["binary_data_size"]))
    return json_to_array(datatype, shape, given.get("data"))


def _shape(given: dict[str, Any]) -> list[int]:
    shape = given.get("shape")
    if type(shape) is not list or any(type(n) is not int or n < 1 for n in shape):
        raise Misfit(N_("“shape” must be an array of whole numbers from 1 up."))
    if len(shape) > MOST_AXES:
        raise Misfit(N_("“shape” has more than %(most)s numbers."), most=MOST_AXES)
    return shape


def _outputs(value: Any, binary: bool) -> list[Wanted]:
    if type(value) is not list:
        raise Problem(400, N_("“outputs” must be an array of objects with a “name”."))
    return [_wanted(output, binary) for output in value]


def _wanted(output: Any, binary: bool) -> Wanted:
    name = _name(output, "outputs")
    parameters = _parameters(output) if "parameters" in output else _NOTHING
    if "shared_memory_region" in parameters:
        raise Problem(400, N_("Shared memory is not available here: outputs are in the answer."))
    classes = parameters.get("classification", 0)
    if type(classes) is not int or not 0 <= classes <= MOST_CLASSES:
        raise Problem(400, N_("“classification” must be a whole number from 1 up."))
    return Wanted(name, classes, _flag(parameters, "binary_data", default=binary))


def _name(value: Any, where: str) -> str:
    name = value.get("name") if type(value) is dict else None
    if type(name) is not str:
        raise Problem(400, N_("Each of “%(where)s” must be an object with a “name”."), where=where)
    return name


def _parameters(value: Mapping[str, Any]) -> Mapping[str, Any]:
    found = value["parameters"]
    if found is None:
        return _NOTHING
    if type(found) is not dict:
        raise Problem(400, N_("“parameters” must be an object."))
    return found


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    found = parameters.get(name, default)
    if type(found) is not bool:
        raise Problem(400, N_("“%(name)s” must be true or false."), name=name)
    return found


def _timeout(parameters: Mapping[str, Any]) -> int | None:
    """Microseconds; 0 is no limit, as in Triton."""
    found = parameters.get("timeout")
    if found is not None and (type(found) is not int or found < 0):
        raise Problem(400, N_("“timeout” must be a number of microseconds."))
    return found or None
