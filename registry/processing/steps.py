"""The steps that a version goes through, in order; other apps add theirs at start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.models import ModelVersion


@dataclass
class Context:
    """What a step works on.

    A step sets fields of `version`; they are saved when it ends. `paths` are local, verified
    files by their path in the version. `scratch` lives as long as one attempt: a later step may
    find it empty. `confirm` raises unless the attempt still has the version: a step that writes
    rows calls it in their transaction.
    """

    version: ModelVersion
    paths: Mapping[str, Path] = field(default_factory=dict)
    scratch: dict[str, Any] = field(default_factory=dict)
    on_progress: Callable[[float], None] = lambda fraction: None
    confirm: Callable[[], None] = lambda: None

    def progress(self, fraction: float) -> None:
        """Say how much of the step is done (0 to 1)."""
        self.on_progress(min(max(fraction, 0.0), 1.0))


Run = Callable[[Context], None]


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    run: Run


_steps: list[Step] = []


def add_step(name: str, run: Run) -> None:
    """Append a step; registering a name again changes nothing."""
    if all(step.name != name for step in _steps):
        _steps.append(Step(name, run))


def all_steps() -> tuple[Step, ...]:
    return tuple(_steps)


def pending() -> list[dict[str, Any]]:
    """What a new version's `steps` hold."""
    return [
        {"name": step.name, "state": "pending", "progress": 0.0, "duration_ms": None}
        for step in _steps
    ]
