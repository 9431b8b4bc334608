"""E-mail to the person whose batch job ended or waits."""

from collections.abc import Iterable
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.translation import gettext

from aihub.events import Event
from aihub.problems import N_
from ops.models import Delivery
from ops.notifications.catalogue import link_of
from ops.notifications.outcome import Errors, Outcome, Stopwatch

# The title, and what is said below it.
TITLES = {
    "batch.succeeded": N_("Batch job %(job)s is done: %(model)s %(version)s"),
    "batch.failed": N_("Batch job %(job)s failed: %(model)s %(version)s"),
    "batch.stalled": N_("Batch job %(job)s waits for a worker: %(model)s %(version)s"),
}


def mails_for(event: Event) -> Iterable[Delivery]:
    """The mails that an event means; none where the hub sends none or nobody is to have one."""
    wanted = event.name in TITLES and settings.ENV.AIHUB_EMAIL_URL
    if not wanted or event.data.get("notify") is False:
        return
    people = User.objects.filter(username=event.data.get("creator") or "", is_active=True)
    for user in people.exclude(email="").select_related("profile"):
        yield _mail(event, user)


def mail_send(delivery: Delivery) -> Outcome:
    """Hand a mail to the mail server once, and say how it went."""
    watch = Stopwatch()
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip(" >")
    message = EmailMessage(
        delivery.title,
        delivery.body,
        to=[delivery.recipient],
        headers={"Message-ID": f"<{delivery.uuid}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except TimeoutError as error:
        return Outcome(Errors.TIMEOUT, str(error)[:500], duration_ms=watch.ms)
    except SMTPException as error:
        final = _is_final(error)
        return Outcome(Errors.MAIL, str(error)[:500], duration_ms=watch.ms, final=final)
    except OSError as error:
        return Outcome(Errors.CONNECTION, str(error)[:500], duration_ms=watch.ms)
    return Outcome(duration_ms=watch.ms)


def _is_final(error: SMTPException) -> bool:
    """Whether the server refused this mail for good (5xx)."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, SMTPResponseException) and error.smtp_code >= 500


def _mail(event: Event, user: User) -> Delivery:
    with translation.override(_language_of(user)):
        return Delivery(
            recipient=user.email,
            event=event.name,
            title=_one_line(gettext(TITLES[event.name]) % _values(event)),
            body="\n".join(_lines(event)),
        )


def _language_of(user: Any) -> str:
    return user.profile.language if hasattr(user, "profile") else settings.LANGUAGE_CODE


def _values(event: Event) -> dict[str, Any]:
    empty = dict.fromkeys(("model", "version", "total", "done", "failed", "reason"), "")
    return {**empty, **event.data, "job": event.subject}


def _lines(event: Event) -> Iterable[str]:
    data = _values(event)
    yield gettext("Model: %(model)s %(version)s") % data
    if data["total"] not in ("", None):
        yield gettext("Rows: %(total)s, of which %(done)s went well and %(failed)s failed") % data
    if data["reason"]:
        yield gettext("Reason: %(reason)s") % data
    if link := link_of(event):
        yield f"\n{link}"
    yield "\n-- \n" + gettext("AIHub sends this because you started the job.")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:255]
