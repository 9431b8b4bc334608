"""From what a model puts out to the tensors that a request asks for."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aihub.problems import N_, Problem
from inference.protocol.v2.inputs import Tensor
from inference.runtimes.base import Array, Arrays
from inference.signature import Signature, datatype_of
from inference.spec import ModelSpec


class Wanted(NamedTuple):
    """An output that is asked for; with `classes`, that many of each row's best in its place."""

    name: str
    classes: int = 0
    binary: bool = False


def check_wanted(wanted: Sequence[Wanted], signature: Signature) -> None:
    """Problem 400 for an output that the model does not have, or that is asked for twice."""
    known = [output.name for output in signature.outputs]
    names = {output.name for output in wanted}
    unknown = next((output.name for output in wanted if output.name not in known), None)
    if unknown is not None:
        raise Problem(
            400,
            N_("There is no output “%(name)s”; there are: %(known)s."),
            name=unknown[:100],
            known=", ".join(known),
        )
    if len(names) < len(wanted):
        raise Problem(400, N_("An output is asked for more than once."))


def chosen(
    outputs: Arrays, wanted: Sequence[Wanted], spec: ModelSpec, signature: Signature
) -> list[Tensor]:
    """The outputs in the order in which they are asked for, by default all in the model's."""
    if not wanted:
        return [_tensor(o.name, outputs[o.name]) for o in signature.outputs]
    return [
        _classified(outputs[w.name], w, spec, signature)
        if w.classes
        else _tensor(w.name, outputs[w.name])
        for w in wanted
    ]


def _tensor(name: str, array: Array) -> Tensor:
    return Tensor(name, datatype_of(array.dtype), array)


def _classified(array: Array, wanted: Wanted, spec: ModelSpec, signature: Signature) -> Tensor:
    """Texts `score:index:label` [N, classes], best first; the label where the model has one."""
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise Problem(400, N_("“%(name)s” holds no scores to classify by."), name=wanted.name)
    named = signature.scores is not None and signature.scores.name == wanted.name
    labels = spec.labels if named else ()
    rows = array.reshape(len(array), -1)
    best = [_best(row, wanted.classes, labels) for row in rows]
    return Tensor(wanted.name, "BYTES", np.array(best, np.object_).reshape(len(rows), -1))


def _best(row: Array, classes: int, labels: Sequence[str]) -> list[bytes]:
    """Equal scores keep the order of the classes."""
    order = np.argsort(-row.astype(np.float64), kind="stable")[:classes]
    return [_entry(float(row[i]), int(i), labels).encode() for i in order]


def _entry(score: float, index: int, labels: Sequence[str]) -> str:
    entry = f"{score:f}:{index}"
    return f"{entry}:{labels[index]}" if index < len(labels) else entry
