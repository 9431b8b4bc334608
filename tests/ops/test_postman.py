"""What is due is sent beside a worker, and nobody waits for a receiver that does not answer."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from ops.models import Delivery, Webhook
from ops.notifications.claims import Receiver, receivers_due
from ops.notifications.postman import Postman, chosen
from registry.models import Job, Team
from tests.ops.making import deliver_to, make_webhook
from tests.ops.receiver import Receiver as Answering, receiving

SOUND, FAILING = [Receiver(n) for n in range(4)], [Receiver(n, doubtful=True) for n in range(4, 9)]


def test_those_that_failed_have_half_of_the_threads() -> None:
    assert list(chosen(FAILING, (), {}, 4)) == FAILING[:2]
    assert list(chosen([*FAILING, *SOUND], (), {}, 4)) == [*FAILING[:2], *SOUND[:2]]
    assert list(chosen([*FAILING, *SOUND], FAILING[:2], {}, 4)) == SOUND[:2]


def test_each_is_served_by_one_thread_in_turn() -> None:
    assert list(chosen(SOUND, SOUND[:1], {1: 5, 2: 3}, 3)) == [SOUND[3], SOUND[2]]
    assert list(chosen([Receiver(None)], [Receiver(None)], {}, 4)) == []
    assert list(chosen([Receiver(1, doubtful=True)], [Receiver(1)], {}, 4)) == []


@pytest.fixture
def receivers(settings: Any) -> Iterator[list[Answering]]:
    settings.ENV = replace(settings.ENV, AIHUB_WEBHOOK_PRIVATE=True)
    with ExitStack() as stack:
        yield [stack.enter_context(receiving()) for _ in range(4)]


@pytest.mark.django_db(transaction=True)
def test_receivers_that_hang_delay_nobody(alpha: Team, receivers: list[Answering]) -> None:
    """With two more threads than such receivers, whatever is due to these."""
    *hanging, sound = receivers
    for number, receiver in enumerate(receivers):
        webhook = make_webhook(alpha, f"hook-{number}", receiver.url)
        for _ in range(5):
            deliver_to(webhook)
            receiver.answers += [receiver.never] if receiver in hanging else []
    postman = Postman(at_once=5)
    postman.start()
    try:
        for _ in range(5):
            sound.next()
        assert [receiver.count for receiver in hanging] == [1, 1, 1]
    finally:
        postman.stop()
        for receiver in hanging:
            receiver.answers.clear()
            receiver.released.set()
        postman.join()
    assert Delivery.objects.filter(webhook__url=sound.url, state="succeeded").count() == 5


@pytest.mark.django_db
def test_deliveries_are_no_jobs_of_the_workers(alpha: Team) -> None:
    """So that nothing which workers do waits for a receiver."""
    deliver_to(make_webhook(alpha))
    assert not Job.objects.exists()
    assert receivers_due() == [Receiver(Webhook.objects.get().pk)]
