"""The loop: ask the provider, and once it has given notice, empty the node while it is there."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from ops.spot.cluster import Cluster

logger = logging.getLogger(__name__)


class Handler:
    """Asks for a notice and acts on it; each step may fail and is tried again."""

    def __init__(self, notice: Callable[[], str | None], cluster: Cluster, asked: Path) -> None:
        self._notice = notice
        self._cluster = cluster
        self._asked = asked
        self._said: str | None = None
        self._is_closed = False
        self._complained = ""

    def run(self, stopped: threading.Event, poll: float) -> None:
        """Look every `poll` seconds until it is stopped."""
        while True:
            self.look()
            self._asked.touch()
            if stopped.wait(poll):
                return

    def look(self) -> None:
        """One look: a notice that was given is not taken back, so it is not asked for again."""
        try:
            if self._said is None:
                self._said = self._notice()
                if self._said:
                    logger.warning("%s: the hub's Pods leave it", self._said)
            if self._said:
                self._empty()
        except (httpx.HTTPError, OSError) as error:
            self._complain(f"{type(error).__name__}: {error}")

    def _empty(self) -> None:
        """Ask each Pod to leave even where the node could not be closed: time is short."""
        try:
            if not self._is_closed:
                self._cluster.cordon()
                self._is_closed = True
        finally:
            for pod in self._cluster.staying():
                self._ask(pod)

    def _ask(self, pod: str) -> None:
        try:
            if self._cluster.evict(pod):
                logger.warning("%s leaves", pod)
            else:
                logger.warning("%s may not leave yet: too many of its kind are away", pod)
        except httpx.HTTPError as error:
            logger.warning("%s could not be asked: %s", pod, error)

    def _complain(self, error: str) -> None:
        """Once, and not every two seconds, of the same."""
        if error != self._complained:
            self._complained = error
            logger.warning("this is tried again: %s", error)
