"""What pictures that cannot be read leave in memory: nothing, once they are judged."""

import tracemalloc
from pathlib import Path

import pytest

from registry.models import Team
from tests.contract.batching import zipped
from tests.inference.batch.jobs_made import make_job, make_pictures, work

pytestmark = pytest.mark.django_db(transaction=True)
COUNT, SIZE = 24, 16 << 20
MOST = 12 * SIZE  # so many wait between stages that work at the same time


def test_broken_pictures_do_not_pile_up(alpha: Team, tmp_path: Path) -> None:
    model = make_pictures(alpha, tmp_path)
    content = zipped({f"{n}.png": b"\x89PNG\r\n\x1a\n" + bytes(SIZE) for n in range(COUNT)})
    job = make_job(model, content, filename="pictures.zip", options={"batch_size": 1})
    del content
    tracemalloc.start()
    try:
        work()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    job.refresh_from_db()
    assert (job.state, job.failed) == ("succeeded", COUNT)
    assert peak < MOST
