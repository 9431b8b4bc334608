"""Signed URLs of an upload's parts: asked for in lots, and anew where one no longer holds."""

import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin

from aihub.cli.hub import Hub

LOT = 16  # few enough to be used before they expire, also on a slow line


class PartUrls:
    """For several threads. `numbers` are the parts in the order in which they are sent."""

    def __init__(self, hub: Hub, path: str, numbers: Sequence[int]) -> None:
        self._hub, self._path = hub, path
        self._numbers = list(numbers)
        self._known: dict[int, tuple[str, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def get(self, number: int) -> tuple[str, dict[str, str]]:
        """A part's URL, and the headers to send with it."""
        with self._lock:
            if number not in self._known:
                at = self._numbers.index(number)
                self._ask(self._numbers[at : at + LOT])
            return self._known.pop(number)

    def renewed(self, number: int) -> tuple[str, dict[str, str]]:
        with self._lock:
            self._ask([number])
            return self._known.pop(number)

    def _ask(self, numbers: list[int]) -> None:
        answer = self._hub.call("POST", f"{self._path}parts/", json={"numbers": numbers})
        for part in answer["parts"]:
            self._known[part["number"]] = (self._absolute(part["url"]), _headers(part))

    def _absolute(self, url: str) -> str:
        return urljoin(f"{self._hub.login.url}/", url)


def _headers(part: dict[str, Any]) -> dict[str, str]:
    """Those to send; a part's length and its server are known anyway."""
    given = (part.get("headers") or {}).items()
    return {str(n): str(v) for n, v in given if n.lower() not in ("content-length", "host")}
