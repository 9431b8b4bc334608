"""Models whose behaviour a test decides: they stop at a gate, fail on demand, hang or die."""

import threading

import numpy as np

from inference.runtimes.base import Arrays, LoadedModel, Unfit
from inference.signature import Signature, TensorSpec

POISON, DEADLY = -1.0, -2.0  # a row that begins so fails, or ends the thread


class Doubler(LoadedModel):
    """Doubles rows [N, L]; `gate` holds it up, `batches` remembers the rows of each run."""

    def __init__(self, length: int = -1) -> None:
        self.signature = Signature(
            (TensorSpec("x", "FP32", (-1, length)),), (TensorSpec("y", "FP32", (-1, length)),)
        )
        self.parameter_count = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[int] = []
        self.closed = False

    def predict(self, inputs: Arrays) -> Arrays:
        rows = inputs["x"]
        self.entered.set()
        assert self.gate.wait(30)
        self.batches.append(len(rows))
        if (rows[:, 0] == DEADLY).any():
            raise SystemExit
        if (rows[:, 0] == POISON).any():
            raise Unfit("poison")
        return {"y": rows * 2}

    def close(self) -> None:
        self.closed = True


class Summary(Doubler):
    """Answers one number for all rows: nothing that could be handed back by rows."""

    def predict(self, inputs: Arrays) -> Arrays:
        return {"y": super().predict(inputs)["y"].sum(keepdims=True)[0]}


def rows(*first: float, length: int = 2) -> Arrays:
    """One row for each number, which it begins with."""
    made = np.ones((len(first), length), np.float32)
    made[:, 0] = first
    return {"x": made}
