"""A batch job in the log: its lines have the id of the request that asked for it."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from aihub import request_context
from aihub.events import SYSTEM
from inference.batch import ahead, services
from inference.models import BatchJob
from inference.tasks import batch_scheduled
from registry.models import RegisteredModel, Team
from tests.inference.batch.jobs_made import fresh, lines, make_job, make_tiny, numbered, put, work
from tests.inference.batch.scheduling import make_due, schedule_make
from tests.logged import id_of, logged, of

pytestmark = pytest.mark.django_db(transaction=True)
WORD = "Zwetschgendatschi"
SMALL = {"batch_size": 4, "chunk_rows": 8}


@pytest.fixture
def tiny(alpha: Team, tmp_path: Path) -> RegisteredModel:
    return make_tiny(alpha, tmp_path)


def test_all_of_its_lines_have_the_request_and_the_job(tiny: RegisteredModel) -> None:
    rows = [*numbered(20), [WORD, 0.0, 0.0, 0.0]]
    with request_context.use("asked-0001"):
        job = make_job(tiny, lines(rows), options=SMALL)
    with logged() as said:
        work()
    assert {id_of(line) for line in said} == {"asked-0001"}
    assert [line["aihub"]["batch"]["chunk"] for line in of(said, "batch-chunk")] == [0, 1, 2]
    assert {line["aihub"]["batch"]["job"] for line in of(said, "batch-chunk")} == {job.pk}
    kinds = [line["aihub"]["job"]["kind"] for line in of(said, "job")]
    assert kinds == ["batch-plan"] * 2 + ["batch-finish"] * 2
    assert of(said, "batch.succeeded")


def test_a_row_that_failed_has_a_line_with_its_key_and_no_content(tiny: RegisteredModel) -> None:
    rows = [*numbered(20), [WORD, 0.0, 0.0, 0.0]]
    with request_context.use("asked-0001"):
        job = make_job(tiny, lines(rows), options=SMALL)
    with logged() as said:
        work()
    (row,) = of(said, "batch-row")
    assert row["aihub"]["batch"] == {"job": job.pk, "chunk": 2, "row": "21"}
    assert row["aihub"]["model"] == {"name": "tiny", "version": "1.0.0"}
    assert row["event"]["outcome"] == "failure"
    assert row["error"]["message"]
    assert WORD in json.dumps(fresh(job).errors)  # which its team sees
    assert WORD not in json.dumps(said)


def test_so_many_lines_at_most_are_of_rows(
    tiny: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.batch.chunks.ERRORS_KEPT", 3)
    make_job(tiny, lines([[WORD]] * 16), options={**SMALL, "fail_over": 1})
    with logged() as said:
        work()
    assert [line["aihub"]["batch"]["row"] for line in of(said, "batch-row")] == ["1", "2", "3"]
    assert sum(line["aihub"]["batch"]["failed"] for line in of(said, "batch-chunk")) == 16


def test_what_is_retried_is_of_the_request_that_asked_for_it(tiny: RegisteredModel) -> None:
    with request_context.use("asked-0001"):
        job = make_job(tiny, lines([*numbered(8), [WORD]]), options=SMALL)
    work()
    with request_context.use("asked-0002"):
        services.job_retry(fresh(job), principal=SYSTEM)
    with logged() as said:
        work()
    assert {id_of(line) for line in said} == {"asked-0002"}


def test_what_is_paused_and_goes_on_stays_of_its_request(tiny: RegisteredModel) -> None:
    with request_context.use("asked-0001"):
        job = make_job(tiny, lines(numbered(8)), options=SMALL)
    with request_context.use("asked-0002"):
        services.job_pause(fresh(job), principal=SYSTEM)
        services.job_resume(fresh(job), principal=SYSTEM)
    with logged() as said:
        work()
    assert {id_of(line) for line in said} == {"asked-0001"}


def test_threads_of_the_work_are_about_the_same() -> None:
    with request_context.use("asked-0001"), request_context.about(batch_job=1):
        found = list(ahead.ahead(request_context.current() for _ in range(1)))
        assert found == [request_context.current()]


def test_what_a_schedule_makes_has_an_id_of_its_own(
    alpha: Team, owner: User, tmp_path: Path
) -> None:
    make_tiny(alpha, tmp_path)
    put("inputs/alpha/rows.jsonl", lines(numbered(4)), tmp_path)
    schedule = schedule_make(alpha, owner)
    BatchJob.objects.all().delete()
    make_due(schedule)
    with request_context.use(""):
        batch_scheduled(schedule.pk)
    job = BatchJob.objects.get()
    assert re.fullmatch("[0-9a-f]{32}", job.request_id)
    with logged() as said:
        work()
    of_job = [line for line in said if line["aihub"].get("batch", {}).get("job") == job.pk]
    assert {id_of(line) for line in of_job} == {job.request_id}


def test_the_database_fills_in_what_older_code_does_not_know() -> None:
    assert BatchJob._meta.get_field("request_id").has_db_default()
