"""Running a model on made-up inputs, to learn what really comes out of it."""

from dataclasses import replace

import numpy as np

from inference.completion import check_classes
from inference.runtimes.base import RUN_LIMIT, Array, Arrays, LoadedModel, TooSlow, Unfit
from inference.signature import Signature, TensorSpec, datatype_of
from inference.spec import ModelSpec
from registry.preprocessing import Preprocessing
from registry.refusals import N_, Refused

_ANY_LENGTH = 8  # what stands in for an open axis that nothing else settles


def observe(model: LoadedModel, spec: ModelSpec) -> Signature:
    """Run batches of 1 and 2; the signature with outputs as seen. Refused where it fails."""
    inputs = _settled(model.signature.inputs, spec.preprocessing if spec.takes_images else None)
    batches = (1, 2) if all(tensor.shape[:1] == (-1,) for tensor in inputs) else (1,)
    runs = [_run(model, inputs, batch) for batch in batches]
    outputs = tuple(_common(name, [run[name] for run in runs]) for name in runs[0])
    signature = Signature(inputs, outputs)
    if not spec.takes_images:
        return signature
    scores = _checked_scores(signature, runs, batches)
    return replace(signature, probabilities=all(map(are_probabilities, scores)))


def classes(spec: ModelSpec, signature: Signature) -> int | None:
    """A classifier's number of classes; Refused where labels or the declared number differ."""
    if not spec.takes_images or signature.scores is None:
        return spec.num_classes
    found = signature.scores.shape[1]
    if spec.num_classes not in (None, found):
        raise Refused(
            N_("The model has %(found)s classes, not %(wanted)s: send num_classes=%(found)s."),
            found=found,
            wanted=spec.num_classes,
        )
    check_classes(spec, found)
    return found


def are_probabilities(scores: Array) -> bool:
    """Whether every row of [N, classes] is a distribution already."""
    within = bool(np.all((scores >= 0) & (scores <= 1)))
    return within and bool(np.allclose(scores.sum(axis=1, dtype=np.float64), 1, atol=1e-3))


def _settled(
    tensors: tuple[TensorSpec, ...], preprocessing: Preprocessing | None
) -> tuple[TensorSpec, ...]:
    """A classifier's input has the size that its preprocessing makes."""
    if preprocessing is None:
        return tensors
    shape = (-1, preprocessing.channels, *preprocessing.crop)
    return tuple(replace(tensor, shape=shape) for tensor in tensors)


def _run(model: LoadedModel, inputs: tuple[TensorSpec, ...], batch: int) -> Arrays:
    try:
        outputs = model.predict({tensor.name: _made_up(tensor, batch) for tensor in inputs})
    except Unfit as error:
        raise Refused(
            N_("The model fails on a sample of %(batch)s: %(error)s."),
            batch=batch,
            error=str(error)[:300].rstrip("."),
        ) from error
    except TooSlow:
        raise Refused(
            N_("One run of the model on a sample takes longer than %(limit)s seconds."),
            limit=round(RUN_LIMIT),
        ) from None
    for name, output in outputs.items():
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise Refused(N_("The output “%(name)s” holds NaN or infinity."), name=name)
    return outputs


def _made_up(tensor: TensorSpec, batch: int) -> Array:
    """Fixed noise in the tensor's shape; ones where whole numbers or texts are wanted."""
    lengths = [batch if axis == 0 else _ANY_LENGTH for axis in range(len(tensor.shape))]
    shape = [
        length if wanted < 0 else wanted
        for wanted, length in zip(tensor.shape, lengths, strict=True)
    ]
    if tensor.is_float:
        return np.random.default_rng(0).standard_normal(shape).astype(tensor.dtype)
    if tensor.datatype == "BYTES":
        return np.full(shape, "sample", dtype=object)
    return np.ones(shape, dtype=tensor.dtype)


def _common(name: str, arrays: list[Array]) -> TensorSpec:
    """What the runs' outputs have in common; what follows the batch is open."""
    first, last = arrays[0], arrays[-1]
    if first.ndim != last.ndim:
        raise Refused(N_("The output “%(name)s” changes its rank with the batch."), name=name)
    shape = tuple(a if a == b else -1 for a, b in zip(first.shape, last.shape, strict=True))
    return TensorSpec(name, datatype_of(first.dtype), shape)


def _checked_scores(
    signature: Signature, runs: list[Arrays], batches: tuple[int, ...]
) -> list[Array]:
    """The scores of each run; Refused unless one output is [N, classes] for N images."""
    output = signature.scores
    scores = [run[output.name] for run in runs] if output else []
    if not scores or [len(rows) for rows in scores] != list(batches):
        raise Refused(
            N_("An image classifier answers [N, classes] for N images; this model answers %(is)s."),
            **{"is": ", ".join(f"{o.name} {list(o.shape)}" for o in signature.outputs)},
        )
    return scores
