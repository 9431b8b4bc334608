"""From the tensors of a request to what a model takes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from aihub.problems import N_, Problem
from inference.protocol.serving import Ticket, check_items, inputs_from_items
from inference.protocol.tensors import Misfit
from inference.protocol.types import Services
from inference.runtimes.base import Array, Arrays
from inference.signature import Signature, TensorSpec, described
from inference.spec import ModelSpec

TEXT = "text"  # the input of every model of texts


class Tensor(NamedTuple):
    """A named tensor; the elements of BYTES are `bytes`, or texts where JSON brought them."""

    name: str
    datatype: str
    array: Array


def taken(spec: ModelSpec, signature: Signature) -> tuple[TensorSpec, ...]:
    """The inputs that a model is described by: a model of texts takes `text`."""
    if spec.takes_texts:
        return (TensorSpec(TEXT, "BYTES", (-1,)),)
    return signature.inputs


async def bound(services: Services, ticket: Ticket, tensors: Sequence[Tensor]) -> Arrays:
    """All inputs of the model by name; Problem 400 for tensors that are not its own.

    One tensor of BYTES may hold encoded pictures in place of a picture model's first input, or
    the texts for a model of texts; Problem 422 where they cannot be read.
    """
    spec, signature = ticket.handle.spec, ticket.handle.signature
    if _are_items(spec, signature, tensors):
        return await inputs_from_items(services, ticket, _items(tensors[0]), tensors[0].name)
    arrays = _arrays(tensors, signature.inputs)
    if spec.takes_images:
        check_items(services, len(tensors[0].array))
    return arrays


def _are_items(spec: ModelSpec, signature: Signature, tensors: Sequence[Tensor]) -> bool:
    if len(tensors) != 1 or tensors[0].datatype != "BYTES":
        return False
    if spec.takes_images:
        return tensors[0].name == signature.inputs[0].name
    return spec.takes_texts and tensors[0].name == TEXT


def _items(tensor: Tensor) -> list[bytes | str]:
    """The elements of BYTES [N] or [N, 1]."""
    shape = tensor.array.shape
    if not tensor.array.size or (len(shape) != 1 and shape[1:] != (1,)):
        raise _misfit(
            tensor, Misfit(N_("The shape is %(shape)s."), shape=list(shape)), "BYTES [-1]"
        )
    elements: list[bytes | str] = tensor.array.ravel().tolist()
    return elements


def _arrays(tensors: Sequence[Tensor], specs: Sequence[TensorSpec]) -> Arrays:
    given = {tensor.name: tensor for tensor in tensors}
    if len(given) != len(tensors) or given.keys() != {spec.name for spec in specs}:
        raise Problem(
            400, N_("“inputs” must hold these tensors: %(tensors)s."), tensors=described(specs)
        )
    arrays = {spec.name: _fitting(given[spec.name], spec) for spec in specs}
    if len(specs) > 1:
        _check_rows(arrays, specs)
    return arrays


def _fitting(tensor: Tensor, spec: TensorSpec) -> Array:
    array = tensor.array
    if tensor.datatype != spec.datatype:
        found = Misfit(N_("The datatype is %(datatype)s."), datatype=tensor.datatype)
        raise _misfit(tensor, found, described([spec]))
    if not array.size or not spec.fits(array.shape):
        found = Misfit(N_("The shape is %(shape)s."), shape=list(array.shape))
        raise _misfit(tensor, found, described([spec]))
    return _of_texts(tensor) if tensor.datatype == "BYTES" else array


def _of_texts(tensor: Tensor) -> Array:
    """Models take texts, not bytes."""
    array = np.empty(tensor.array.size, np.object_)
    array[:] = _texts(tensor)
    return array.reshape(tensor.array.shape)


def _texts(tensor: Tensor) -> list[Any]:
    try:
        return [e.decode() if isinstance(e, bytes) else e for e in tensor.array.ravel().tolist()]
    except UnicodeDecodeError:
        raise _misfit(tensor, Misfit(N_("An element is not UTF-8.")), "UTF-8") from None


def _misfit(tensor: Tensor, misfit: Misfit, expected: str) -> Problem:
    return Problem(
        400,
        N_("An input does not fit; expected is %(tensor)s."),
        errors=[{"field": tensor.name, "detail": misfit}],
        tensor=expected,
    )


def _check_rows(arrays: Arrays, specs: Sequence[TensorSpec]) -> None:
    """Inputs with an open first axis are rows of one batch."""
    lengths = {len(arrays[spec.name]) for spec in specs if spec.shape[:1] == (-1,)}
    if len(lengths) > 1:
        raise Problem(400, N_("The inputs differ in their number of rows."))
