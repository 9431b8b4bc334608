"""Running a model on made-up inputs, to learn what really comes out of it."""

from dataclasses import replace

import numpy as np

from aihub.problems import Problem
from inference.completion import check_classes
from inference.runtimes.base import (
    RUN_LIMIT,
    Array,
    Arrays,
    LoadedModel,
    TooSlow,
    Unfit,
    run_limited,
)
from inference.signature import Signature, TensorSpec, datatype_of
from inference.spec import (
    IMAGE_CLASSIFICATION,
    TEXT_CLASSIFICATION,
    TEXT_EMBEDDING,
    ModelSpec,
)
from inference.texts import IDS, Tokenizer
from registry.preprocessing import Preprocessing
from registry.refusals import N_, Refused

_ANY_LENGTH = 8  # what stands in for an open axis that nothing else settles
_TEXTS = ("A sample.", "This one is longer: " + "so many words that they fill another shape " * 3)
_RAW_STATE = "pooler_output"  # an embedding by its shape, but not what the model was trained for
_ANSWERS = {
    IMAGE_CLASSIFICATION: N_(
        "An image classifier answers [N, classes] for N images; this model answers %(is)s."
    ),
    TEXT_CLASSIFICATION: N_(
        "A text classifier answers [N, classes] for N texts; this model answers %(is)s."
    ),
    TEXT_EMBEDDING: N_(
        "A text embedding is [N, length] for N texts; this model answers %(is)s. Export it with "
        "its pooling, or publish its weights and config.json."
    ),
}


def observe(model: LoadedModel, spec: ModelSpec, tokenizer: Tokenizer | None = None) -> Signature:
    """Run batches of 1 and 2; the signature with outputs as seen. Refused where it fails.

    `tokenizer` makes the inputs of a model of texts.
    """
    inputs = _settled(model.signature.inputs, spec.preprocessing if spec.takes_images else None)
    batches = (1, 2) if all(tensor.shape[:1] == (-1,) for tensor in inputs) else (1,)
    runs = [_run(model, _made(inputs, batch, tokenizer), batch) for batch in batches]
    if tokenizer is not None:
        _check_vocabulary(model, tokenizer)
    outputs = tuple(_common(name, [run[name] for run in runs]) for name in runs[0])
    signature = Signature(inputs, outputs)
    if spec.takes_texts:
        signature = _with_its_answer_alone(signature)
    if not (spec.classifies or spec.takes_texts):
        return signature
    scores = _checked_scores(spec, signature, runs, batches)
    probable = spec.classifies and all(map(are_probabilities, scores))
    return replace(signature, probabilities=probable)


def classes(spec: ModelSpec, signature: Signature) -> int | None:
    """A classifier's number of classes; Refused where labels or the declared number differ."""
    if not spec.classifies or signature.scores is None:
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


def _made(inputs: tuple[TensorSpec, ...], batch: int, tokenizer: Tokenizer | None) -> Arrays:
    """Noise, or texts of several lengths: the longest comes last."""
    if tokenizer is None:
        return {tensor.name: made_up(tensor, batch) for tensor in inputs}
    try:
        return tokenizer.encode(_TEXTS[:batch])
    except Problem as problem:
        raise Refused(problem.message, **problem.values) from problem


def _check_vocabulary(model: LoadedModel, tokenizer: Tokenizer) -> None:
    """Refused where the model has no row for the tokenizer's last word."""
    last = tokenizer.largest_id()
    encoded = tokenizer.encode(_TEXTS[:1])
    encoded[IDS] = np.full_like(encoded[IDS], min(last, np.iinfo(encoded[IDS].dtype).max))
    try:
        run_limited(model, encoded, RUN_LIMIT)
    except Unfit as error:
        raise Refused(
            N_(
                "The tokenizer counts up to %(last)s, further than the model: tokenizer.json "
                "belongs to another model."
            ),
            last=last,
        ) from error


def _run(model: LoadedModel, made: Arrays, batch: int) -> Arrays:
    try:
        outputs = run_limited(model, made, RUN_LIMIT)
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


def made_up(tensor: TensorSpec, batch: int) -> Array:
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


def _with_its_answer_alone(signature: Signature) -> Signature:
    """A model of texts without its other outputs, the states of each token for example."""
    answers = [o for o in signature.outputs if o.name != _RAW_STATE and _is_rows(o)]
    return replace(signature, outputs=tuple(answers[:1]) or signature.outputs)


def _is_rows(output: TensorSpec) -> bool:
    return output.is_float and len(output.shape) == 2


def _checked_scores(
    spec: ModelSpec, signature: Signature, runs: list[Arrays], batches: tuple[int, ...]
) -> list[Array]:
    """What each run answers; Refused unless one output is [N, classes] or [N, D] for N items."""
    output = signature.scores
    scores = [run[output.name] for run in runs] if output and output.name != _RAW_STATE else []
    if not scores or [len(rows) for rows in scores] != list(batches):
        raise Refused(
            _ANSWERS[spec.task],
            **{"is": ", ".join(f"{o.name} {list(o.shape)}" for o in signature.outputs)},
        )
    return scores
