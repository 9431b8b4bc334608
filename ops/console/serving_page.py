"""The page of serving: the replicas, what each holds in memory, and the circuit breakers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from aihub.access import Action
from aihub.problems import N_, Problem
from inference.engine.breaker import CLOSED, HALF_OPEN, OPEN
from inference.forcing import breaker_force
from inference.models import Replica
from inference.replicas import replicas_alive
from ops.console.caller import manages, principal_of, teams_where
from ops.console.looks import badge
from ops.console.pages import page, show, told
from registry import selectors
from registry.models import ModelVersion
from registry.models.versions import Forced, State

LOOKS = {
    CLOSED: (_("closed"), "good"),
    HALF_OPEN: (_("half-open"), "warn"),
    OPEN: (_("open"), "bad"),
}


@dataclass(frozen=True)
class Choice:
    """What a button says, what it asks, and what is told once it is done."""

    to: str
    label: Any
    question: Any
    done: Any


CHOICES = (
    Choice(
        Forced.OPEN,
        _("Force open"),
        _("Turn away every call of this version, or let its fallback answer?"),
        _("The breaker of %(version)s is held open; replicas follow within 2 seconds."),
    ),
    Choice(
        Forced.CLOSED,
        _("Force closed"),
        _("Let every call through to this version, whatever its errors?"),
        _("The breaker of %(version)s is held closed; replicas follow within 2 seconds."),
    ),
    Choice(
        Forced.NO,
        _("Let it decide"),
        _("Let the breaker open and close by its rules again?"),
        _("The breaker of %(version)s decides for itself again."),
    ),
)


@dataclass
class BreakerRow:
    """A version that has a breaker somewhere, and how it stands there."""

    version: ModelVersion
    replicas: list[dict[str, Any]]

    @property
    def choices(self) -> list[Choice]:
        """What one may do to it; not what is so already."""
        return [choice for choice in CHOICES if choice.to != self.version.breaker_forced]


@page("serving/", "serving")
@require_GET
def serving_page(request: HttpRequest) -> HttpResponse:
    if not manages(request):
        raise Problem(403, N_("You may not do this."))
    replicas = list(replicas_alive())
    versions = {_key(version): version for version in _managed(request, replicas)}
    return show(
        request,
        "console/serving.html",
        [(_("Serving"), request.path)],
        replicas=[_shown(replica, versions.keys()) for replica in replicas],
        breakers=_rows(replicas, versions),
    )


@page("serving/<str:name>/<str:version>/force/", "breaker_force")
@require_POST
def serving_force(request: HttpRequest, name: str, version: str) -> HttpResponse:
    principal = principal_of(request)
    found = selectors.version_get(principal, name, version, Action.MANAGE)
    choice = next((c for c in CHOICES if c.to == request.POST.get("to")), None)
    if choice is None:
        raise Problem(400, N_("The request does not fit."))
    with told(request, choice.done % {"version": found}):
        breaker_force(found, principal=principal, to=choice.to)
    return redirect("admin:serving")


def _managed(request: HttpRequest, replicas: Iterable[Replica]) -> list[ModelVersion]:
    """What the user manages of that which a replica serves or somebody forces."""
    teams = teams_where(principal_of(request), Action.MANAGE)
    mine = (
        ModelVersion.objects.filter(state=State.READY, model__team__in=teams)
        .select_related("model")
        .only("version", "sort_key", "breaker_forced", "model__name", "model__name_key")
    )
    entries = [entry for r in replicas for entry in (*r.loaded, *r.breakers)]
    names, numbers = {e["model"] for e in entries}, {e["version"] for e in entries}
    served = mine.filter(model__name__in=names, version__in=numbers)
    found = {version.pk: version for version in (*served, *mine.exclude(breaker_forced=""))}
    newest_first = sorted(found.values(), key=lambda version: version.sort_key, reverse=True)
    return sorted(newest_first, key=lambda version: version.model.name_key)


def _shown(replica: Replica, keys: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A replica with what it has loaded of these versions."""
    mine = set(keys)
    loaded = [entry for entry in replica.loaded if (entry["model"], entry["version"]) in mine]
    return {"row": replica, "loaded": sorted(loaded, key=lambda entry: -entry["memory"])}


def _rows(
    replicas: Iterable[Replica], versions: dict[tuple[str, str], ModelVersion]
) -> list[BreakerRow]:
    """The versions whose breaker a replica watches or somebody forces."""
    seen: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for replica in replicas:
        for breaker in replica.breakers:
            seen[breaker["model"], breaker["version"]].append(_stand(replica, breaker))
    return [
        BreakerRow(version, seen.get(key, []))
        for key, version in versions.items()
        if key in seen or version.breaker_forced
    ]


def _stand(replica: Replica, breaker: dict[str, Any]) -> dict[str, Any]:
    return {
        **breaker,
        "replica": replica.name,
        "since": datetime.fromisoformat(breaker["since"]),
        "badge": badge(*LOOKS[breaker["state"]]),
    }


def _key(version: ModelVersion) -> tuple[str, str]:
    return version.model.name, version.version
