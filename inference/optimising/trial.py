"""Trying candidates: each is made, loaded, compared with the reference, and measured."""

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from inference.optimising import measuring
from inference.optimising.candidates import Candidate, candidates, reference_of
from inference.optimising.comparing import Answers, answers, compare
from inference.optimising.derived import Derived
from inference.optimising.inputs import Inputs, gather
from inference.optimising.task import CandidateResult, CompileTask
from inference.runtimes import runtime_named
from inference.runtimes.base import Form, LoadedModel, Unfit
from inference.signature import Signature
from inference.spec import FileRef, ModelSpec, VariantSpec
from registry.refusals import N_, Refused

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Costs:
    """`memory` in bytes, rates in items a second."""

    memory: int
    rate_1: float
    rate_8: float


@dataclass(frozen=True, slots=True)
class Bench:
    """What candidates are held against: the inputs, and the reference's answers to them."""

    task: CompileTask
    signature: Signature
    inputs: Inputs
    expected: Answers
    derived: Derived

    @classmethod
    def opened(cls, task: CompileTask) -> tuple[CandidateResult, Self]:
        """The reference's line of the table, and the bench that it makes; Refused or Unfit."""
        reference = reference_of(task.spec)
        before = _memory_before(reference, task)
        with closing(_load(reference, task, task.spec, task.files)) as model:
            signature = task.spec.signature or model.signature
            inputs = gather(task, signature)
            costs = _costs(model, inputs, task.seconds, before)
            expected = answers(model, inputs, signature, task.spec.classifies)
        bench = cls(task, signature, inputs, expected, Derived(task, inputs))
        size = sum(local.stat().st_size for local in task.files.values())
        return bench._result(reference, expected, costs, size, None), bench

    def plan(self) -> list[Candidate]:
        """What to try beside the reference."""
        inputs, task = self.inputs, self.task
        return candidates(task.spec, inputs.origin, inputs.originals, task.sparsity)

    def tried(self, candidate: Candidate) -> CandidateResult:
        """The candidate's line of the table; a failed one, with its reason, if it is no good."""
        try:
            return self._tried(candidate)
        except Exception as error:  # whatever goes wrong must cost no more than this line
            return failure(candidate, error)

    def _tried(self, candidate: Candidate) -> CandidateResult:
        task = self.task
        path = self.derived.path(candidate.derived) if candidate.derived else None
        files: Mapping[str, Path] = {"model.onnx": path} if path else task.files
        spec = replace(task.spec.in_form(_variant(candidate, path)), signature=self.signature)
        before = _memory_before(candidate, task)
        with closing(_load(candidate, task, spec, files)) as model:
            costs = _costs(model, self.inputs, task.seconds, before)
            found = answers(model, self.inputs, self.signature, spec.classifies)
        size = sum(local.stat().st_size for local in files.values())
        return self._result(candidate, found, costs, size, path)

    def _result(
        self, candidate: Candidate, found: Answers, costs: Costs, size: int, path: Path | None
    ) -> CandidateResult:
        comparison = compare(self.expected, found)
        return candidate.result(
            file=path,
            size=size,
            memory=max(costs.memory, size),
            inputs=self.inputs.count,
            inputs_from=self.inputs.origin,
            decided=comparison.decided,
            agreement=comparison.agreement,
            max_difference=comparison.max_difference,
            rate_1=costs.rate_1,
            rate_8=costs.rate_8,
        )


def failure(candidate: Candidate, error: Exception) -> CandidateResult:
    """A line that says what went wrong."""
    if isinstance(error, Refused):
        return candidate.failed(error.message, **error.values)
    if not isinstance(error, Unfit):
        logger.error("The variant %s failed.", candidate.name, exc_info=error)
    what = str(error)[:300].rstrip(".") or type(error).__name__
    return candidate.failed(N_("The variant cannot answer: %(error)s."), error=what)


def _variant(candidate: Candidate, path: Path | None) -> VariantSpec:
    files = (FileRef("model.onnx", "", "", path.stat().st_size),) if path else ()
    return VariantSpec(candidate.name, candidate.runtime, candidate.precision, files=files)


def _memory_before(candidate: Candidate, task: CompileTask) -> int:
    """Resident bytes once the runtime's library is there: a process has that only once."""
    runtime_named(candidate.runtime, task.architectures)
    return measuring.resident()


def _load(
    candidate: Candidate, task: CompileTask, spec: ModelSpec, files: Mapping[str, Path]
) -> LoadedModel:
    form = Form(task.threads, candidate.precision, task.device, candidate.options)
    return runtime_named(candidate.runtime, task.architectures).load(spec, files, form)


def _costs(model: LoadedModel, inputs: Inputs, seconds: float, before: int) -> Costs:
    rates = [measuring.rate(model, inputs, batch, seconds) for batch in (1, 8)]
    return Costs(max(measuring.resident() - before, 0), *rates)
