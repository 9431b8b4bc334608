"""What earlier jobs of a version say of the batches and chunks of the next."""

from pathlib import Path
from typing import Any

import pytest

from inference.batch.pace import CHUNK_SECONDS, Pace, pace_known
from inference.models import BatchJob
from registry.models import RegisteredModel, Team
from tests.inference.batch.jobs_made import lines, make_job, make_tiny, numbered

PLAN = {"batch": 8, "chunk_rows": 800}


@pytest.fixture
def tiny(alpha: Team, tmp_path: Path) -> RegisteredModel:
    return make_tiny(alpha, tmp_path)


def known(model: RegisteredModel, **earlier: Any) -> Pace | None:
    """What is known for a job after an earlier one with these fields."""
    before = make_job(model, lines(numbered(1)))
    fields = {"state": "succeeded", "plan": PLAN, "done": 800, "seconds": 4.0, **earlier}
    BatchJob.objects.filter(pk=before.pk).update(**fields)
    return pace_known(make_job(model, lines(numbered(1))), None)


def test_chunks_that_took_a_fair_time_stay(tiny: RegisteredModel) -> None:
    assert known(tiny) == Pace(8, 800)


def test_chunks_that_took_long_become_smaller(tiny: RegisteredModel) -> None:
    assert known(tiny, seconds=80.0) == Pace(8, 8 * round(CHUNK_SECONDS / 0.1 / 8))


def test_a_job_of_a_few_rows_says_nothing_of_the_pace(tiny: RegisteredModel) -> None:
    assert known(tiny, done=2, seconds=1.0) == Pace(8, 800)


@pytest.mark.parametrize("asked", [{"batch_size": 1}, {"chunk_rows": 1}])
def test_what_a_caller_asked_for_was_for_that_job(
    tiny: RegisteredModel, asked: dict[str, int]
) -> None:
    assert known(tiny, options=asked) is None


def test_a_job_in_which_every_row_failed_says_nothing(tiny: RegisteredModel) -> None:
    assert known(tiny, done=0, failed=800) is None
