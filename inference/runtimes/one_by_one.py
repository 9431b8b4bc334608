"""Models made for a single item: called for each item of a batch."""

import numpy as np

from inference.runtimes.base import Arrays, LoadedModel
from inference.signature import Signature, TensorSpec


class OneByOne(LoadedModel):
    """Answers batches with a model whose every tensor has a batch axis of length one."""

    def __init__(self, model: LoadedModel, signature: Signature | None) -> None:
        self.signature = signature or _any_batch(model.signature)
        self.parameter_count = model.parameter_count
        self._model = model

    def predict(self, inputs: Arrays) -> Arrays:
        length = len(next(iter(inputs.values())))
        items = ({name: a[i : i + 1] for name, a in inputs.items()} for i in range(length))
        runs = [self._model.predict(item) for item in items]
        return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}

    def interrupt(self) -> None:
        self._model.interrupt()

    def close(self) -> None:
        self._model.close()


def takes_one(signature: Signature) -> bool:
    """Whether every tensor's first axis has the length one."""
    tensors = (*signature.inputs, *signature.outputs)
    return all(tensor.shape[:1] == (1,) for tensor in tensors)


def _any_batch(signature: Signature) -> Signature:
    def free(tensors: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(t.name, t.datatype, (-1, *t.shape[1:])) for t in tensors)

    return Signature(free(signature.inputs), free(signature.outputs), signature.probabilities)
