"""Which forms of a version are worth compiling."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inference.optimising.task import FAILED, MADE_UP, OWNER, CandidateResult
from inference.runtimes import reference_runtime
from inference.spec import ModelSpec

MIN_CALIBRATION = 20  # real samples; fewer make scales that real inputs break
# What a derived file holds.
EXPORTED, QUANTISED, PRUNED = "exported", "quantised", "pruned"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A form to try. `derived` says what file it loads; empty means the version's own."""

    name: str
    runtime: str
    precision: str
    derived: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = False

    def result(self, **fields: Any) -> CandidateResult:
        """A line of the table about this candidate."""
        return CandidateResult(
            name=self.name,
            runtime=self.runtime,
            precision=self.precision,
            options=self.options,
            reference=self.reference,
            **fields,
        )

    def failed(self, message: str, **values: Any) -> CandidateResult:
        """A line that says why there is no such variant."""
        return self.result(state=FAILED, reason={"message": message, "values": values})


def reference_of(spec: ModelSpec) -> Candidate:
    """The version as published, in FP32; Refused for a format that nothing serves."""
    runtime = reference_runtime(spec.format)
    options = {"channels_last": True} if runtime == "torch" and spec.takes_images else {}
    return Candidate(f"{runtime}-fp32", runtime, "fp32", options=options, reference=True)


def candidates(
    spec: ModelSpec, inputs_from: str, originals: int, sparsity: float | None
) -> list[Candidate]:
    """What to try beside the reference, likely winners first.

    Made-up inputs say nothing about lower precision, so they leave only FP32; INT8 is calibrated
    on the owner's inputs, of which there are `originals`.
    """
    wanted = [*_floating(spec), *_quantised(inputs_from, originals), *_pruned(sparsity)]
    return [
        candidate
        for candidate in wanted
        if (candidate.precision == "fp32" or inputs_from != MADE_UP)
        and (not candidate.derived or _has_onnx(spec))
        and candidate.name != reference_of(spec).name
    ]


def _has_onnx(spec: ModelSpec) -> bool:
    return reference_runtime(spec.format) in ("torch", "onnxruntime")


def _floating(spec: ModelSpec) -> list[Candidate]:
    """OpenVINO reads some formats itself; what torch holds is exported for it."""
    reference = reference_of(spec)
    derived = EXPORTED if reference.runtime == "torch" else ""
    found = [
        Candidate("openvino-bf16", "openvino", "bf16", derived),
        Candidate("openvino-fp32", "openvino", "fp32", derived),
    ]
    if reference.runtime == "torch":
        found.append(Candidate("onnxruntime-fp32", "onnxruntime", "fp32", derived))
        found.append(Candidate("torch-bf16", "torch", "bf16", options=reference.options))
    return found


def _quantised(inputs_from: str, originals: int) -> list[Candidate]:
    if inputs_from != OWNER or originals < MIN_CALIBRATION:
        return []
    return [
        Candidate("openvino-int8", "openvino", "int8", QUANTISED),
        Candidate("onnxruntime-int8", "onnxruntime", "int8", QUANTISED),
    ]


def _pruned(sparsity: float | None) -> list[Candidate]:
    if sparsity is None:
        return []
    options = {"sparsity": sparsity}
    return [
        Candidate("openvino-fp32-pruned", "openvino", "fp32", PRUNED, options),
        Candidate("openvino-bf16-pruned", "openvino", "bf16", PRUNED, options),
    ]
