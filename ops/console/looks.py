"""How values look: badges, sizes, links."""

import math

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy as _

from inference.models.batch import JobState
from ops.models import Delivery, Webhook
from registry.models import Approval
from registry.models.versions import State

_TONES = {
    State.READY: "good",
    State.REJECTED: "bad",
    State.PROCESSING: "busy",
    State.UPLOADING: "busy",
}
_DECISIONS = {"pending": "busy", "approved": "good", "rejected": "bad", "cancelled": "plain"}
_DELIVERIES = {"pending": "busy", "succeeded": "good", "failed": "bad"}
_JOBS = {
    JobState.QUEUED: "busy",
    JobState.RUNNING: "busy",
    JobState.PAUSED: "warn",
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "plain",
}
_UNITS = ("B", "KB", "MB", "GB", "TB")


def state_badge(state: str) -> SafeString:
    """A version's state as a coloured badge."""
    return badge(State(state).label, _TONES[State(state)])


def approval_badge(state: str) -> SafeString:
    """An approval's state as a coloured badge."""
    return badge(Approval.States(state).label, _DECISIONS[state])


def delivery_badge(state: str) -> SafeString:
    """How a delivery stands as a coloured badge."""
    return badge(Delivery.States(state).label, _DELIVERIES[state])


def job_badge(state: str) -> SafeString:
    """A batch job's state as a coloured badge."""
    return badge(JobState(state).label, _JOBS[JobState(state)])


def webhook_badge(webhook: Webhook) -> SafeString:
    """Whether a webhook is on, and well, as a coloured badge."""
    if not webhook.active:
        return badge(_("turned off"), "bad") if webhook.disabled_at else badge(_("off"))
    return badge(_("failing"), "warn") if webhook.failing_since else badge(_("on"), "good")


def badge(text: object, tone: str = "plain") -> SafeString:
    return format_html('<span class="hub-badge hub-{}">{}</span>', tone, text)


def model_link(name: str) -> SafeString:
    url = reverse("admin:model", args=[name])
    return format_html('<a class="hub-link" href="{}">{}</a>', url, name)


def version_link(model: str, version: str) -> SafeString:
    url = reverse("admin:version", args=[model, version])
    return format_html('<a class="hub-link hub-mono" href="{}">{}</a>', url, version)


def size(count: int) -> str:
    """Bytes as people read them: 18.5 MB."""
    number, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            break
        number /= 1000
    return f"{number_format(round(number, 1), 0 if unit == 'B' else 1)} {unit}"


def count(number: int | None) -> str:
    """A large count as people read it: 4.7 M."""
    if number is None:
        return "–"
    for limit, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if number >= limit:
            return f"{number_format(round(number / limit, 1), 1)} {unit}"
    return str(number)


def duration(milliseconds: int | None) -> str:
    """How long something took: 420 ms, 3.2 s."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{number_format(round(milliseconds / 1000, 1), 1)} s"


def remaining(seconds: float | None) -> str:
    """How long something will take: 12 s left, 3 min left."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return gettext("{count} s left").format(count=math.ceil(seconds))
    if seconds < 5400:
        return gettext("{count} min left").format(count=math.ceil(seconds / 60))
    return gettext("{count} h left").format(count=math.ceil(seconds / 3600))


def whole(number: int | None) -> str:
    """An exact count, its digits in groups: 1,234,567."""
    return "–" if number is None else f"{number:,}"


def percent(share: float | None) -> str:
    """A share as people read it: 98.5 %."""
    return "–" if share is None else f"{number_format(round(share * 100, 1), 1)} %"


def rate(number: float | None) -> str:
    """Items a second, without digits that mean nothing: 3.4, 416."""
    return "–" if number is None else number_format(round(number, 1), 1 if number < 100 else 0)


def difference(number: float | None) -> str:
    """A small number with two digits: 0.0021, 1.2e-05."""
    return "–" if number is None else f"{number:.2g}"


def signed(number: float | None) -> str:
    """How much more or less: +0.0123, −4; nothing where there is no number."""
    if number is None:
        return ""
    sign = "+" if number > 0 else "−" if number < 0 else ""
    return f"{sign}{abs(number):.4g}"


def rounded(value: object) -> object:
    """Numbers with four digits, in a list too: what a person wants to see of 127 / 255."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return [rounded(item) for item in value] if isinstance(value, list) else value
