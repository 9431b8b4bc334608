"""What the replicas say of themselves: each writes its row, and people read them all."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from aihub import __version__
from aihub.events import SYSTEM, Event, emit
from inference.engine.breaker import CLOSED
from inference.models import Replica
from registry.models import ModelVersion, RegisteredModel
from registry.processing.worker import worker_name

ALIVE_FOR = timedelta(seconds=15)
KEPT_FOR = timedelta(days=1)
LOOK_EVERY = 1.0  # seconds
WRITE_EVERY = 5.0
SWEEP_EVERY = 3600.0

Said = Mapping[str, Any]
Key = tuple[str, str]  # model and version

logger = logging.getLogger(__name__)


def replicas_alive() -> QuerySet[Replica]:
    """The replicas that gave a sign of life lately, by name."""
    return Replica.objects.filter(at__gte=timezone.now() - ALIVE_FOR).order_by("name")


def breakers_of(version: ModelVersion) -> list[dict[str, Any]]:
    """What the breaker of a version says on each replica that has one: `replica`, `state`, …"""
    wanted = (version.model.name, version.version)
    return [
        {"replica": replica.name, **breaker}
        for replica in replicas_alive()
        for breaker in replica.breakers
        if _key(breaker) == wanted
    ]


class Reporter:
    """Keeps a replica's row true; `tick` is called again and again, from one thread at a time.

    `state` answers `memory` in bytes, `loaded` (`model`, `version`, `variant`, `memory`,
    `in_flight`) and `breakers` (`model`, `version` and what `Breaker.as_json` says).
    """

    def __init__(
        self,
        pool: str,
        cpu: str,
        state: Callable[[], Said],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = worker_name()
        self._pool = pool
        self._cpu = cpu
        self._state = state
        self._clock = clock
        self._started_at = timezone.now()
        self._look_at = self._write_at = self._sweep_at = clock()
        self._known: object = None  # what was written, as far as a change of it is news
        self._opened: frozenset[Key] = frozenset()  # by themselves, and told of

    def tick(self) -> None:
        """Write the row when something changed, else every few seconds."""
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        said = self._state()
        known = _news(said)
        if known == self._known and now < self._write_at:
            return
        self._report(said)
        self._known, self._write_at = known, now + WRITE_EVERY
        if now >= self._sweep_at:
            Replica.objects.filter(at__lt=timezone.now() - KEPT_FOR).delete()
            self._sweep_at = now + SWEEP_EVERY

    def _report(self, said: Said) -> None:
        """Write the row and what happened to the breakers, both or neither."""
        tripped = frozenset(_key(b) for b in said["breakers"] if _is_tripped(b))
        deciding = {_key(b): b for b in said["breakers"] if not b["forced"]}
        opened = tripped - self._opened
        closed = (self._opened - tripped) & deciding.keys()
        with transaction.atomic():
            self._write(said)
            for name, keys in (("breaker.opened", opened), ("breaker.closed", closed)):
                for key in sorted(keys):
                    self._emit(name, key, deciding[key])
        self._opened = tripped

    def _write(self, said: Said) -> None:
        now = timezone.now()
        Replica.objects.update_or_create(
            name=self.name,
            defaults={
                "pool": self._pool,
                "cpu": self._cpu,
                "version": __version__,
                "loaded": list(said["loaded"]),
                "breakers": [_dated(breaker) for breaker in said["breakers"]],
                "memory": said["memory"],
                "started_at": self._started_at,
                "at": now,
            },
        )

    def _emit(self, name: str, key: Key, breaker: Said) -> None:
        subject = "/".join(key)
        logger.warning("%s: %s", name, subject)
        rule = breaker["rule"] or {}
        data = {
            "replica": self.name,
            "rule": rule.get("strategy", ""),
            **{counted: breaker[counted] for counted in ("calls", "errors", "slow")},
        }
        emit(Event(name, subject, SYSTEM, team_id=_team_of(key[0]), data=data))


def _key(entry: Said) -> Key:
    return entry["model"], entry["version"]


def _is_tripped(breaker: Said) -> bool:
    """Whether it turned itself from closed: being tried half-open, it has not closed again."""
    return not breaker["forced"] and breaker["state"] != CLOSED


def _news(said: Said) -> object:
    """The part of a state whose changes are written at once."""
    loaded = {(*_key(entry), entry["variant"]) for entry in said["loaded"]}
    return loaded, {(*_key(b), b["state"], b["forced"]) for b in said["breakers"]}


def _dated(breaker: Said) -> dict[str, Any]:
    """With the moment since which it is in its state: a replica's clock means nothing to others."""
    since = timezone.now() - timedelta(seconds=breaker["seconds"])
    rest = {name: value for name, value in breaker.items() if name != "seconds"}
    return {
        **rest,
        "forced": breaker["forced"] or None,
        "since": since.isoformat(timespec="seconds"),
    }


def _team_of(model: str) -> int | None:
    found = RegisteredModel.objects.filter(name_key=model.lower())
    return found.values_list("team_id", flat=True).first()
