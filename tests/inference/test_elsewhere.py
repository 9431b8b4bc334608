"""A replica on another kind of processor asks for variants of its own."""

from collections.abc import Callable

import pytest

from inference.elsewhere import LOOK_EVERY, VariantRequests
from registry.models import Job, Team
from registry.services.variants import KIND
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db


def test_it_asks_once_for_each_ready_version(alpha: Team) -> None:
    model = make_model(alpha)
    ready = make_ready(publish(model, "1.0.0"))
    publish(model, "2.0.0")
    now = 0.0
    clock: Callable[[], float] = lambda: now  # noqa: E731
    requests = VariantRequests("another", clock)
    requests.tick()
    assert not Job.objects.filter(kind=KIND + "another").exists()  # it is not time yet
    for _ in range(2):
        now += LOOK_EVERY
        requests.tick()
    asked = Job.objects.filter(kind=KIND + "another")
    assert [job.subject_id for job in asked] == [ready.pk]
