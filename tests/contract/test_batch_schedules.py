"""Schedules on a running hub: its own beat starts them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.batching import JOBS, rows, succeeded
from tests.contract.calls import API, published, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub

pytestmark = pytest.mark.slow
SCHEDULES = f"{API}/batch-schedules/"
# As if a year had passed since it was made; a change tells beat to look.
AGE = """
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from inference.models import BatchSchedule
schedule = BatchSchedule.objects.get(pk={pk})
before = timezone.now() - timedelta(days=400)
BatchSchedule.objects.filter(pk={pk}).update(settled_at=before)
task = PeriodicTask.objects.get(pk=schedule.beat_id)
task.last_run_at = before
task.save()
"""
# The message of a schedule, sent once more.
SEND = """
import django; django.setup()
from inference.tasks import schedule_hint
schedule_hint({pk})
"""


@pytest.fixture(scope="module")
def tiny(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of tensors: y = x + 1 on four numbers."""
    name = unique("scheduled")
    published(hub, name, "1.0.0", tiny_onnx(tmp_path_factory.mktemp("s") / "t.onnx"), task="tensor")
    return name


@pytest.fixture
def prefix(hub: Hub, tmp_path: Path) -> str:
    """Objects in the hub's store, as others put them there."""
    found = f"inputs/default/{unique('rows')}/"
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps([n, 0.0, 0.0, 1.0]) + "\n" for n in range(3)))
    hub.run_python(
        "import django; django.setup()\nfrom pathlib import Path\n"
        "from registry.storage import blob_storage\n"
        f"blob_storage().put(Path({str(file)!r}), {found + file.name!r})\n"
    )
    return found


def made(hub: Hub, **said: Any) -> dict[str, Any]:
    answer = hub.client().post(SCHEDULES, json={"name": "yearly", "cron": "0 * 1 1 *", **said})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def jobs_of(hub: Hub, schedule: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hub.client().get(f"{JOBS}?schedule={schedule}").json()["results"]
    return found


def shown(hub: Hub, schedule: int) -> dict[str, Any]:
    found: dict[str, Any] = hub.client().get(f"{SCHEDULES}{schedule}/").json()
    return found


def test_beat_starts_what_is_due_once(hub: Hub, tiny: str, prefix: str) -> None:
    pk = made(hub, model=tiny, prefix=prefix)["id"]
    hub.run_python(AGE.format(pk=pk))
    hub.wait_until(lambda: bool(jobs_of(hub, pk)), "beat to start a schedule")
    over = succeeded(hub, jobs_of(hub, pk)[0]["id"])
    assert over["done"] == 3
    assert [row["predictions"][0] for row in rows(hub.client(), over["id"])] == [1.0, 2.0, 3.0]
    first = shown(hub, pk)
    hub.run_python(AGE.format(pk=pk))  # as of a second beat, which knows nothing of the first
    hub.run_python(SEND.format(pk=pk))
    hub.wait_until(lambda: shown(hub, pk)["last_run_at"] != first["last_run_at"], "a second run")
    assert [job["id"] for job in jobs_of(hub, pk)] == [over["id"]]
    found = shown(hub, pk)
    assert (found["last_outcome"], found["error"]) == ("made", "")
