"""What waits for a worker says so where none is alive, in the caller's language."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from rest_framework.test import APIClient

from registry.models import Team, WorkerHeartbeat
from registry.models.versions import State
from registry.processing.worker import BATCH, PROCESSING, beat
from registry.selectors.workers import stalled, stalled_among
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
VERSIONS = "/api/v1/models/digits/versions/"


def test_each_queue_says_what_to_start() -> None:
    assert "No worker is alive" in str(stalled(PROCESSING))
    assert str(stalled(BATCH)).endswith("python -m ops.launch.container batch")
    beat("one", BATCH)
    assert stalled(BATCH) is None
    assert stalled(PROCESSING)


def test_a_queue_is_stalled_after_fifteen_seconds_of_silence() -> None:
    beat("one")
    for seconds, silent in ((14, False), (16, True)):
        WorkerHeartbeat.objects.update(at=timezone.now() - timedelta(seconds=seconds))
        assert (stalled(PROCESSING) is not None) is silent


def test_it_speaks_the_callers_language() -> None:
    with translation.override("zh-hans"):
        assert "python -m ops.launch.container worker" in str(stalled(PROCESSING))
        assert "No worker" not in str(stalled(PROCESSING))


def test_it_is_asked_only_where_something_waits() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert stalled_among([State.READY, State.REJECTED]) is None
    assert len(queries) == 0
    assert stalled_among([State.READY, State.UPLOADING])


def test_a_version_in_processing_says_that_no_worker_is_there(
    owner: User, client_of: Callable[[User], APIClient], alpha: Team
) -> None:
    model = make_model(alpha)
    make_ready(publish(model, "1.0.0"))
    publish(model, "1.1.0")
    publish(model, "1.2.0")
    client = client_of(owner)

    def said() -> list[bool]:
        rows = client.get(VERSIONS).json()["results"]
        alone = [client.get(f"{VERSIONS}{row['version']}/").json() for row in rows]
        assert [row["stalled"] for row in rows] == [row["stalled"] for row in alone]
        return [row["stalled"] is not None for row in rows]

    assert said() == [True, True, False]
    beat("one", BATCH)
    assert said() == [True, True, False]
    beat("one")
    assert said() == [False, False, False]
