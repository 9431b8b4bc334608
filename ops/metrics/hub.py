"""The families of the hub as a whole, which `web` answers with."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from prometheus_client.core import GaugeMetricFamily, Metric

from aihub.env import Env
from ops.metrics.broker import queue_lengths
from ops.metrics.certificate import expiry_of
from ops.metrics.probes import Probe
from ops.metrics.state import hub_state
from ops.metrics.storage import storage_answers

EVERY = 5.0  # seconds between two looks, however many scrapes there are
CERTIFICATE_EVERY = 600.0
WITHIN = 5.0  # seconds that a look may take
PATIENCE = 1.0  # seconds that a scrape waits for all of them together

Clock = Callable[[], float]


class HubCollector:
    """Waits a moment for what is slow, and leaves out what is not known."""

    def __init__(self, env: Env, clock: Clock = time.monotonic) -> None:
        self._state: Probe[list[Metric]] = Probe(
            hub_state, [], every=EVERY, within=WITHIN, clock=clock
        )
        self._broker: Probe[dict[str, int]] = Probe(
            queue_lengths, {}, every=EVERY, within=WITHIN, clock=clock
        )
        self._storage = Probe(storage_answers, False, every=EVERY, within=WITHIN, clock=clock)
        self._certificate = _certificate_probe(env.AIHUB_PUBLIC_URL, clock)

    def describe(self) -> list[Metric]:
        """prometheus_client's protocol: nothing is looked at when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's protocol."""
        probes = (self._state, self._broker, self._storage)
        for probe in probes:
            probe.begin()
        until = time.monotonic() + PATIENCE
        for probe in probes:
            probe.found(until - time.monotonic())
        yield from self._of_state()
        yield from self._of_broker()
        storage = self._storage.found()
        yield from _up("aihub_storage_up", "Whether the file storage answers", storage)
        yield from self._of_certificate()

    def _of_state(self) -> Iterator[Metric]:
        state = self._state.found()
        yield from _up("aihub_database_up", "Whether the database answers", state)
        yield from state or ()

    def _of_broker(self) -> Iterator[Metric]:
        lengths = self._broker.found()
        yield from _up("aihub_broker_up", "Whether the broker answers", lengths)
        if lengths:
            family = GaugeMetricFamily(
                "celery_queue_length", "Messages in the broker", labels=("queue",)
            )
            for queue, length in lengths.items():
                family.add_metric((queue,), length)
            yield family

    def _of_certificate(self) -> Iterator[Metric]:
        if self._certificate is None:
            return
        host, probe = self._certificate
        if not (ends := probe.found()):
            return
        family = GaugeMetricFamily(
            "aihub_certificate_expiry_timestamp_seconds",
            "When the certificate at AIHUB_PUBLIC_URL ends",
            labels=("host",),
        )
        family.add_metric((host,), ends)
        yield family


def _certificate_probe(url: str, clock: Clock) -> tuple[str, Probe[float]] | None:
    """The host and when its certificate ends: 0 where that is not known."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    host, port = parts.hostname, parts.port or 443

    def certificate_ends() -> float:
        return expiry_of(host, port)

    return host, Probe(
        certificate_ends, 0.0, every=CERTIFICATE_EVERY, within=CERTIFICATE_EVERY, clock=clock
    )


def _up(name: str, text: str, found: object) -> Iterator[Metric]:
    """1 where something was found, 0 where nothing was; nothing while neither is known."""
    if found is not None:
        yield GaugeMetricFamily(name, text, float(bool(found)))
