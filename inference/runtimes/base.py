"""What a runtime is: it turns a version's files into something that predicts."""

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

    @abstractmethod
    def predict(self, inputs: Arrays) -> Arrays:
        """Outputs by name, for all inputs by name, first axis the batch; Unfit, TooSlow."""

    def interrupt(self) -> None:  # noqa: B027 - few libraries can stop a run
        """Stop the run under way, if that is possible; called from another thread."""

    def close(self) -> None:  # noqa: B027 - most models need only be forgotten
        """Give back what is not memory."""


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
