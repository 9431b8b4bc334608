"""The page that Prometheus reads: the families of several collectors, each of them once."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from aihub.env import Env
from ops.launch import counting
from ops.metrics.folders import FolderCollector
from ops.metrics.hub import HubCollector
from ops.metrics.own import OwnCollector


class Page:
    """The text of `/metrics`."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def describe(self) -> list[Metric]:
        """prometheus_client's protocol."""
        return []

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's protocol."""
        return added(metric for collector in self._collectors for metric in collector.collect())

    def text(self) -> bytes:
        """What Prometheus reads, of the type `CONTENT_TYPE_LATEST`."""
        return generate_latest(self._registry)


def added(families: Iterable[Metric]) -> Iterator[Metric]:
    """Families of one name as one: what two processes counted under the same labels is added."""
    by_name: dict[str, list[Metric]] = {}
    for family in families:
        by_name.setdefault(family.name, []).append(family)
    for parts in by_name.values():
        yield parts[0] if len(parts) == 1 else _sum(parts)


def _sum(parts: list[Metric]) -> Metric:
    whole = Metric(parts[0].name, parts[0].documentation, parts[0].type)
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for part in parts:
        for sample in part.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            values[key] = values.get(key, 0.0) + sample.value
    whole.samples = [Sample(name, dict(labels), value) for (name, labels), value in values.items()]
    return whole


def page_of(env: Env) -> Page:
    """The page of a process that serves: with the hub's state where it is `web`, and on a laptop
    with its workers' numbers."""
    collectors: list[Collector] = [REGISTRY, OwnCollector(env.AIHUB_ROLE, env.AIHUB_HOME)]
    if env.AIHUB_ROLE != "infer":
        collectors.append(HubCollector(env))
    if env.AIHUB_ROLE == "all":
        folders = [Path(f) for r in counting.ROLES for f in counting.environ_for(env, r).values()]
        collectors.append(FolderCollector(*folders))
    return Page(*collectors)


class MetricsView:
    """Answers with a page that is made when it is first asked for."""

    def __init__(self) -> None:
        self._page: Page | None = None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self._page = self._page or page_of(settings.ENV)
        return HttpResponse(self._page.text(), content_type=CONTENT_TYPE_LATEST)
