"""E-mail of batch jobs, through a real mail server."""

from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from queue import Queue
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.contrib.auth.models import User

from aihub.events import SYSTEM, Event, emit
from ops.models import Delivery, Profile
from ops.notifications.claims import delivery_claim
from ops.notifications.delivering import deliver
from registry.models import Team
from tests.ports import free_port

pytestmark = pytest.mark.django_db
States, Errors = Delivery.States, Delivery.Errors


class Mailbox:
    """Keeps what comes; answers a recipient with the next of `answers`, else that it is fine."""

    def __init__(self) -> None:
        self.mails: Queue[EmailMessage] = Queue()
        self.answers: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, _: Any) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(to)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.put(parsed)  # type: ignore[arg-type]
        return "250 OK"


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    mailbox, port = Mailbox(), free_port()
    url = f"smtp://127.0.0.1:{port}"
    settings.ENV = replace(
        settings.ENV,
        AIHUB_EMAIL_URL=url,
        AIHUB_EMAIL_FROM="AIHub <hub@example.com>",
        AIHUB_PUBLIC_URL="https://hub.example.com",
    )
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.DEFAULT_FROM_EMAIL = "AIHub <hub@example.com>"
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
def person(developer: User) -> User:
    developer.email = "dev@example.com"
    developer.save()
    return developer


def happen(name: str, team: Team, **data: Any) -> None:
    said = {"model": "digits", "version": "1.0.0", "total": 10, "done": 8, "failed": 2}
    emit(Event(name, "12", SYSTEM, team.pk, {**said, "creator": "developer", **data}))


def work() -> int:
    count = 0
    while lease := delivery_claim(None, "worker"):
        deliver(lease)
        count += 1
    return count


def test_who_started_a_job_is_told_how_it_ended(
    mailbox: Mailbox, person: User, alpha: Team
) -> None:
    happen("batch.failed", alpha, reason="the input ended too early")
    assert work() == 1
    mail = mailbox.mails.get(timeout=10)
    assert (mail["To"], mail["From"]) == ("dev@example.com", "AIHub <hub@example.com>")
    assert mail["Subject"] == "Batch job 12 failed: digits 1.0.0"
    assert str(Delivery.objects.get().uuid) in mail["Message-ID"]
    text = mail.get_content()
    assert mail.get_content_type() == "text/plain"
    for said in ("digits 1.0.0", "10", "the input ended", "https://hub.example.com/batch-jobs/12/"):
        assert said in text
    assert Delivery.objects.get().state == States.SUCCEEDED


def test_it_is_written_in_the_person_s_language(
    mailbox: Mailbox, person: User, alpha: Team
) -> None:
    Profile.objects.create(user=person, language="zh-hans")
    happen("batch.succeeded", alpha)
    work()
    mail = mailbox.mails.get(timeout=10)
    assert "批处理作业 12" in mail["Subject"]


@pytest.mark.parametrize("name", ["batch.succeeded", "batch.failed", "batch.stalled"])
def test_each_end_is_told(mailbox: Mailbox, person: User, alpha: Team, name: str) -> None:
    happen(name, alpha)
    assert work() == 1
    assert "Batch job 12" in mailbox.mails.get(timeout=10)["Subject"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("batch.cancelled", {}),
        ("batch.failed", {"notify": False}),
        ("batch.failed", {"creator": ""}),
        ("batch.failed", {"creator": None}),
        ("batch.failed", {"creator": "owner"}),  # who has no address
    ],
)
def test_nobody_is_told_what_they_did_not_want(
    mailbox: Mailbox, person: User, owner: User, alpha: Team, name: str, data: dict[str, Any]
) -> None:
    happen(name, alpha, **data)
    assert not Delivery.objects.exists()


def test_without_a_mail_server_nothing_is_queued(person: User, alpha: Team) -> None:
    happen("batch.failed", alpha)
    assert not Delivery.objects.exists()


def test_a_name_with_lines_in_it_adds_no_header(
    mailbox: Mailbox, person: User, alpha: Team
) -> None:
    happen("batch.failed", alpha, version="1\r\nBcc: all@example.com")
    work()
    mail = mailbox.mails.get(timeout=10)
    assert mail["Bcc"] is None


def test_a_server_that_is_busy_is_asked_again(mailbox: Mailbox, person: User, alpha: Team) -> None:
    mailbox.answers = ["450 later"]
    happen("batch.failed", alpha)
    work()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error) == (States.PENDING, Errors.MAIL)


def test_a_recipient_who_is_none_is_given_up(mailbox: Mailbox, person: User, alpha: Team) -> None:
    mailbox.answers = ["550 no such user"]
    happen("batch.failed", alpha)
    work()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error) == (States.FAILED, Errors.MAIL)


def test_a_server_that_is_away_is_asked_again(
    mailbox: Mailbox, person: User, alpha: Team, settings: Any
) -> None:
    settings.EMAIL_PORT = free_port()
    happen("batch.failed", alpha)
    work()
    assert Delivery.objects.get().error == Errors.CONNECTION
