"""The page of `/metrics`, and what its parts make of a database that is away."""

import threading
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from ops.metrics import hub
from ops.metrics.hub import HubCollector
from ops.metrics.own import OwnCollector
from ops.metrics.page import Page


def numbers(page: Page) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(page.text().decode())
        for sample in family.samples
    }


def counted(by: float) -> CollectorRegistry:
    registry = CollectorRegistry()
    calls = Counter("calls", "Calls", ("kind",), registry=registry)
    calls.labels("a").inc(by)
    if by > 1:
        calls.labels("b").inc(by)
    Histogram("seconds", "Seconds", buckets=(1, 2), registry=registry).observe(by)
    return registry


def test_what_two_processes_counted_is_one_family() -> None:
    page = Page(counted(1), counted(2))
    assert page.text().decode().count("# TYPE calls_total counter") == 1
    found = numbers(page)
    assert found["calls_total[('kind', 'a')]"] == 3
    assert found["calls_total[('kind', 'b')]"] == 2
    assert found["seconds_bucket[('le', '1.0')]"] == 1
    assert found["seconds_bucket[('le', '2.0')]"] == 2
    assert (found["seconds_count"], found["seconds_sum"]) == (2, 3)


def test_a_process_says_which_program_it_is_and_how_full_its_disk(tmp_path: Path) -> None:
    found = numbers(Page(OwnCollector("infer", tmp_path)))
    [build] = [name for name in found if name.startswith("aihub_build_info")]
    assert "('role', 'infer')" in build
    assert 0 < found["aihub_disk_free_bytes"] < found["aihub_disk_size_bytes"]
    assert "aihub_beat_tick_timestamp_seconds" not in found


def test_what_is_away_is_said_and_nothing_false_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[Metric]:
        raise OSError("away")

    for name in ("hub_state", "queue_lengths", "storage_answers"):
        monkeypatch.setattr(hub, name, away)
    assert numbers(Page(HubCollector(settings.ENV))) == {
        "aihub_database_up": 0,
        "aihub_broker_up": 0,
        "aihub_storage_up": 0,
    }


def test_what_hangs_delays_a_scrape_by_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def hangs() -> list[Metric]:
        done.wait(20)
        return []

    for name in ("hub_state", "queue_lengths", "storage_answers"):
        monkeypatch.setattr(hub, name, hangs)
    monkeypatch.setattr(hub, "PATIENCE", 0.05)
    started = time.monotonic()
    try:
        assert numbers(Page(HubCollector(settings.ENV))) == {}
    finally:
        done.set()
    assert time.monotonic() - started < 5


@pytest.mark.django_db
def test_the_page_is_answered_whatever_is_away(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert b"django_http_requests_total_by_view_transport_method_total" in answer.content
    assert b"aihub_database_up 1.0" in answer.content
    assert b"aihub_storage_up 1.0" in answer.content
