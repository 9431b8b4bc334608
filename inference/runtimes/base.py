"""What a runtime is: it turns a version's files into something that predicts."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.signature import Signature
from inference.spec import ModelSpec

Array = npt.NDArray[Any]
RUN_LIMIT = 30.0  # seconds of one run: a graph may hold a loop without end
Arrays = dict[str, np.ndarray[Any, Any]]


class Unfit(Exception):
    """The model cannot compute these inputs, though they have the shape that it declares."""


class TooSlow(Exception):
    """One run took longer than `RUN_LIMIT` and was stopped."""


@dataclass(frozen=True, slots=True)
class Form:
    """How to load: threads of one run, `fp32`, `bf16` or `int8`, a device, and options.

    `device` is `auto` (CUDA where torch finds it), `cpu` or `cuda`.
    """

    threads: int = 1
    precision: str = "fp32"
    device: str = "cpu"
    options: Mapping[str, Any] = field(default_factory=dict)


class LoadedModel(ABC):
    """A model in memory. `predict` may be called by one thread at a time."""

    signature: Signature
    parameter_count: int
    bounded = False  # whether the shapes of its inputs alone say how long a run takes

    @abstractmethod
    def predict(self, inputs: Arrays) -> Arrays:
        """Outputs by name, for all inputs by name, first axis the batch.

        Raises Unfit, also when it was interrupted.
        """

    def interrupt(self) -> None:  # noqa: B027 - few libraries can stop a run
        """Stop the run under way, if that is possible; called from another thread."""

    def close(self) -> None:  # noqa: B027 - most models need only be forgotten
        """Give back what is not memory."""


def run_limited(model: LoadedModel, inputs: Arrays, limit: float) -> Arrays:
    """`predict`, interrupted after `limit` seconds; raises TooSlow then, and Unfit."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        model.interrupt()

    timer = threading.Timer(limit, stop)
    timer.start()
    try:
        return model.predict(inputs)
    except Unfit:
        if late.is_set():
            raise TooSlow from None
        raise
    finally:
        timer.cancel()


class Runtime(ABC):
    """Loads the formats that it names."""

    name: str
    formats: frozenset[str]

    def completed(self, spec: ModelSpec) -> ModelSpec:
        """`spec` with what this runtime knows by default; Refused for what it cannot serve."""
        return spec

    @abstractmethod
    def load(self, spec: ModelSpec, files: Mapping[str, Path], form: Form) -> LoadedModel:
        """Load verified files (local paths by path in the version); Refused where they misfit."""
