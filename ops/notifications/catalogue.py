"""The events that can be sent, and what each is about."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aihub.events import Event

PING = "ping"  # asked for by a person; no webhook subscribes to it


@dataclass(frozen=True, slots=True)
class Kind:
    """What an event means, and the page of the console that shows more of it."""

    about: Promise
    page: Callable[[Event], str]


def _version_page(event: Event) -> str:
    model, _, version = event.subject.partition("/")
    return f"/models/{quote(model)}/versions/{quote(version)}/"


def _alias_page(event: Event) -> str:
    return f"/models/{quote(event.subject)}/aliases/{quote(str(event.data['alias']))}/"


def _serving_page(event: Event) -> str:
    return "/serving/"


def _batch_page(event: Event) -> str:
    return f"/batch-jobs/{quote(event.subject)}/"


def _schedule_page(event: Event) -> str:
    return f"/batch-schedules/{quote(event.subject)}/"


EVENTS: dict[str, Kind] = {
    "version.ready": Kind(_("A version was processed and can serve."), _version_page),
    "version.rejected": Kind(_("A version cannot be served; the reason says why."), _version_page),
    "alias.moved": Kind(_("A version was promoted: an alias points at it now."), _alias_page),
    "alias.rolled_back": Kind(_("An alias went back to an earlier version."), _alias_page),
    "breaker.opened": Kind(
        _("A circuit breaker opened: a version fails or is slow."), _serving_page
    ),
    "batch.succeeded": Kind(_("A batch job finished."), _batch_page),
    "batch.failed": Kind(_("A batch job failed."), _batch_page),
    "batch.cancelled": Kind(_("A batch job was cancelled."), _batch_page),
    "batch.stalled": Kind(_("A batch job waits, and no worker takes it."), _batch_page),
    "batch.schedule_failed": Kind(
        _("A schedule was due and could make no batch job."), _schedule_page
    ),
    "batch.schedule_skipped": Kind(
        _("A schedule was due while its job before was not over."), _schedule_page
    ),
}


def model_of(event: Event) -> str:
    """The name of the model that an event is about."""
    return str(event.data.get("model") or event.subject.partition("/")[0])


def link_of(event: Event) -> str | None:
    """Where a person reads more of an event; None where the hub does not know its own address."""
    base = settings.ENV.AIHUB_PUBLIC_URL
    return base.rstrip("/") + EVENTS[event.name].page(event) if base else None
