"""What the compiler is asked, and what it answers for each candidate: plain values of JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from inference.spec import ModelSpec

READY, FAILED = "ready", "failed"
OWNER, PHOTOGRAPHS, TEXTS, MADE_UP = "owner", "photographs", "texts", "made-up"


@dataclass(frozen=True, slots=True)
class CompileTask:
    """A version to compile. Derived files go into `folder`, which exists and outlives the results.

    `files` are local paths by path in the version, `samples` those of its owner's sample files by
    their names. `done` names candidates that need no result any more. `sparsity` is the share of
    weights to prune, from 0 to 1. `limit` is in seconds for each candidate, `seconds` how long each
    rate is measured.
    """

    spec: ModelSpec
    files: Mapping[str, Path]
    folder: Path
    samples: Mapping[str, Path] = field(default_factory=dict)
    threads: int = 1
    device: str = "cpu"
    architectures: tuple[str, ...] = ()
    sparsity: float | None = None
    done: frozenset[str] = frozenset()
    limit: float = 180.0
    seconds: float = 0.5

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back to an equal value."""
        return {
            "spec": self.spec.as_json(),
            "files": {path: str(local) for path, local in self.files.items()},
            "folder": str(self.folder),
            "samples": {name: str(local) for name, local in self.samples.items()},
            "threads": self.threads,
            "device": self.device,
            "architectures": list(self.architectures),
            "sparsity": self.sparsity,
            "done": sorted(self.done),
            "limit": self.limit,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **value,
                "spec": ModelSpec.from_json(value["spec"]),
                "files": {path: Path(local) for path, local in value["files"].items()},
                "folder": Path(value["folder"]),
                "samples": {name: Path(local) for name, local in value["samples"].items()},
                "architectures": tuple(value["architectures"]),
                "done": frozenset(value["done"]),
            }
        )


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """A line of a version's table of variants.

    `file` is the derived ONNX file that it loads, None where it loads the version's own files.
    `size` and `memory` are bytes, rates items a second. `agreement` is over the `decided` of the
    `inputs`, None where none is decided. A failed one has a `reason` instead: a translatable
    `message` and its `values`.
    """

    name: str
    runtime: str
    precision: str
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = False
    state: str = READY
    reason: Mapping[str, Any] | None = None
    file: Path | None = None
    size: int = 0
    memory: int = 0
    inputs: int = 0
    inputs_from: str = ""
    decided: int = 0
    agreement: float | None = None
    max_difference: float | None = None
    rate_1: float | None = None
    rate_8: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back to an equal value."""
        return {**asdict(self), "file": str(self.file) if self.file else None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{**value, "file": Path(value["file"]) if value["file"] else None})
