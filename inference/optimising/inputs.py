"""Inputs to calibrate, compare and measure with: real ones wherever there are any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inference import sampling
from inference.optimising import pictures, sample_files, sentences
from inference.optimising.task import MADE_UP, OWNER, PHOTOGRAPHS, TEXTS, CompileTask
from inference.runtimes.base import Arrays
from inference.signature import Signature, TensorSpec
from registry.refusals import N_, Refused

MIN_INPUTS = 200  # fewer agree by luck


@dataclass(frozen=True, slots=True)
class Inputs:
    """`count` inputs, the first `originals` of them an owner's as they are.

    `take` gives the arrays by name for indexes, which count round; where the model has no batch
    axis (`batched`), for the first index alone.
    """

    origin: str
    count: int
    originals: int
    batched: bool
    take: Callable[[Sequence[int]], Arrays]


def gather(task: CompileTask, signature: Signature) -> Inputs:
    """The owner's inputs, else photographs or sentences, else noise; the same every time."""
    if task.spec.takes_texts:
        return _texts(task, signature)
    if task.spec.takes_images and (found := _pictures(task, signature)):
        return found
    return _rows(task, signature)


def is_batched(signature: Signature) -> bool:
    """Whether every tensor's first axis is open."""
    return all(t.shape[:1] == (-1,) for t in (*signature.inputs, *signature.outputs))


def _pictures(task: CompileTask, signature: Signature) -> Inputs | None:
    """None where the owner attached arrays and no pictures."""
    if task.spec.preprocessing is None:
        raise Refused(N_("The version does not say how its pictures are prepared."))
    own = pictures.shelve(
        sample_files.pictures(task.samples), task.spec.preprocessing, MIN_INPUTS, task.folder
    )
    if own is not None:
        return _shelved(OWNER, own, signature)
    if _own_rows(task, signature):
        return None
    photographs = pictures.shelve(
        pictures.photographs(), task.spec.preprocessing, MIN_INPUTS, task.folder
    )
    assert photographs is not None  # scikit-image carries them
    return _shelved(PHOTOGRAPHS, photographs, signature)


def _shelved(origin: str, shelf: pictures.Shelf, signature: Signature) -> Inputs:
    name, tensors = signature.inputs[0].name, shelf.tensors

    def take(indexes: Sequence[int]) -> Arrays:
        return {name: np.array(tensors[[index % len(tensors) for index in indexes]])}

    return Inputs(origin, len(tensors), shelf.originals if origin == OWNER else 0, True, take)


def _texts(task: CompileTask, signature: Signature) -> Inputs:
    from inference.texts import tokenizer_of

    tokenizer = tokenizer_of(replace(task.spec, signature=signature), task.files)
    if tokenizer is None:
        raise Refused(N_("The version has no tokenizer."))
    own = sample_files.texts(task.samples)
    texts = sentences.views(own, MIN_INPUTS) if own else sentences.documentation(MIN_INPUTS)

    def take(indexes: Sequence[int]) -> Arrays:
        return tokenizer.encode([texts[index % len(texts)] for index in indexes])

    return Inputs(OWNER if own else TEXTS, len(texts), len(own), True, take)


def _rows(task: CompileTask, signature: Signature) -> Inputs:
    """Rows are not varied: nobody knows which changes keep them real."""
    batched = is_batched(signature)
    own = _own_rows(task, signature)
    rows = own or _made_up(signature, batched)

    def take(indexes: Sequence[int]) -> Arrays:
        chosen = [rows[index % len(rows)] for index in indexes]
        if not batched:
            return dict(chosen[0])
        return {name: np.stack([row[name] for row in chosen]) for name in chosen[0]}

    return Inputs(OWNER if own else MADE_UP, len(rows), len(own), batched, take)


def _own_rows(task: CompileTask, signature: Signature) -> list[Arrays]:
    """The owner's rows that fit the model; where lengths vary, those of the commonest shape."""
    items = [_item(tensor, is_batched(signature)) for tensor in signature.inputs]
    rows = list(sample_files.rows(task.samples, items))
    shapes = [tuple(array.shape for array in row.values()) for row in rows]
    if not shapes:
        return []
    commonest = max(dict.fromkeys(shapes), key=shapes.count)
    return [row for row, shape in zip(rows, shapes, strict=True) if shape == commonest]


def _item(tensor: TensorSpec, batched: bool) -> TensorSpec:
    """The tensor for one item."""
    shape = tensor.shape[1:] if batched else tensor.shape
    return TensorSpec(tensor.name, tensor.datatype, shape)


def _made_up(signature: Signature, batched: bool) -> list[Arrays]:
    if not batched:
        return [{t.name: sampling.made_up(t, 1) for t in signature.inputs}]
    whole = {t.name: sampling.made_up(t, MIN_INPUTS) for t in signature.inputs}
    return [{name: array[index] for name, array in whole.items()} for index in range(MIN_INPUTS)]
