"""Whether a hub answers after a deployment: `python ops/deploy/smoke.py URL`.

With an API key in AIHUB_API_KEY it predicts too: with the model that SMOKE_MODEL names, else with
the first that the key may call. Needs nothing but Python.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

TIMEOUT = 30.0  # seconds for one call
SIDE = 224  # pixels of a picture, where a model leaves its size open
VALUES: Mapping[str, Any] = {"BYTES": "smoke", "BOOL": False}  # of other types: 0


class NotWell(Exception):
    """What is wrong with the hub; the status that it answered, 0 where it did not."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Hub:
    """The hub at a URL, called with a key where there is one."""

    def __init__(self, url: str, key: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise NotWell(f"{url} is no URL of a hub")
        self.url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Api-Key {key}"

    def ask(self, path: str, document: Any = None) -> bytes:
        """What a GET of the path answers, or a POST of the document; NotWell."""
        body = None if document is None else json.dumps(document).encode()
        request = Request(self.url + path, body, self._headers)  # noqa: S310 - checked above
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise NotWell(f"{path} answers {error.code}: {said}", error.code) from None
        except (OSError, HTTPException) as error:
            raise NotWell(f"{path} does not answer: {error}") from None

    def call(self, path: str, document: Any = None) -> Any:
        """As `ask`, of JSON."""
        try:
            return json.loads(self.ask(path, document))
        except ValueError:
            raise NotWell(f"{path} answers something else than JSON") from None


def check(hub: Hub, *, model: str, predicting: bool, patience: float) -> list[str]:
    """What was found well, a line each; NotWell at the first thing that is not."""
    _until(lambda: ready(hub), patience)
    found = ["ready", f"answers as {hub.call('/v2')['name']}"]
    if not predicting:
        return [*found, "no AIHUB_API_KEY is set: nothing was predicted"]
    model = model or next(iter(hub.call("/v2/models")["models"]), "")
    if not model:
        return [*found, "the key may call no model: nothing was predicted"]
    predict(hub, model)
    return [*found, f"{model} predicts"]


def ready(hub: Hub) -> None:
    """NotWell unless predictions and the console answer, and `/readyz`, which a gateway hides."""
    try:
        hub.call("/readyz")
    except NotWell as wrong:
        if wrong.status != HTTPStatus.NOT_FOUND:
            raise
    hub.call("/v2/health/ready")
    hub.ask("/login/")


def predict(hub: Hub, model: str) -> None:
    """Have the model compute one row, in the shape that it describes; NotWell."""
    path = f"/v2/models/{quote(model, safe='')}"
    inputs = [_row(spec) for spec in hub.call(path)["inputs"]]
    outputs = hub.call(f"{path}/infer", {"inputs": inputs})["outputs"]
    if not outputs or not all(output["data"] for output in outputs):
        raise NotWell(f"{model} answers without outputs")


def _row(spec: Mapping[str, Any]) -> dict[str, Any]:
    """One row of an input: zeros, or a word."""
    open_as = [1, 1, SIDE, SIDE] if len(spec["shape"]) == 4 else [1] * len(spec["shape"])
    shape = [length if length > 0 else n for length, n in zip(spec["shape"], open_as, strict=True)]
    value = VALUES.get(spec["datatype"], 0)
    return {**spec, "shape": shape, "data": [value] * math.prod(shape)}


def _until(works: Callable[[], object], patience: float) -> None:
    """Return once it raises no NotWell; its last one after so many seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            works()
        except NotWell:
            if time.monotonic() >= until:
                raise
            time.sleep(1)
        else:
            return


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    if len(arguments) != 1:
        print("usage: python ops/deploy/smoke.py URL", file=sys.stderr)
        return 2
    key = environ.get("AIHUB_API_KEY", "")
    try:
        found = check(
            Hub(arguments[0], key),
            model=environ.get("SMOKE_MODEL", ""),
            predicting=bool(key),
            patience=float(environ.get("SMOKE_PATIENCE", "60")),
        )
    except NotWell as wrong:
        print(f"smoke: {wrong}", file=sys.stderr)
        return 1
    print(*(f"smoke: {line}" for line in found), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
