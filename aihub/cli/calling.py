"""Predictions: what is sent for one input or many, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aihub.cli.failures import Failure
from aihub.cli.hub import Hub
from aihub.cli.which import Which, model_path


@dataclass(frozen=True)
class Picture:
    """An encoded picture, and its name."""

    name: str
    content: bytes


def predict_pictures(
    hub: Hub, which: Which, pictures: Sequence[Picture], top: int | None = None
) -> dict[str, Any]:
    """One prediction for each, in order."""
    files = [("image", (picture.name, picture.content)) for picture in pictures]
    return _predict(hub, which, top, files=files)


def predict_inputs(hub: Hub, which: Which, inputs: Any, top: int | None = None) -> dict[str, Any]:
    """Texts, or tensors as arrays, or an object of them by name."""
    return _predict(hub, which, top, json={"inputs": inputs})


def is_ranking(prediction: Any) -> bool:
    """Whether it is a list of labels with scores, best first."""
    return isinstance(prediction, list) and all(
        isinstance(best, dict) and best.keys() >= {"label", "score"} for best in prediction
    )


def _predict(hub: Hub, which: Which, top: int | None, **content: Any) -> dict[str, Any]:
    query: dict[str, Any] = dict(which.query)
    if top is not None:
        query["top"] = top
    path = f"{model_path(which.model)}predict/"
    found: dict[str, Any] = hub.call("POST", path, params=query, **content)
    if not isinstance(found.get("predictions"), list):
        raise Failure("The hub's answer holds no predictions.")
    return found
