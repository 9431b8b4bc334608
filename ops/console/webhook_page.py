"""One webhook: what it is told, the log of its deliveries, and what can be done with it."""

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aihub.paging import KeyedPaginator
from ops.console.caller import principal_of
from ops.console.pages import page, show, told
from ops.console.webhook_list import crumbs_of, show_secret
from ops.models import Delivery, Webhook
from ops.notifications.catalogue import EVENTS, PING
from ops.notifications.visible import delivery_get, webhook_get
from ops.notifications.webhooks import (
    delivery_replay,
    webhook_delete,
    webhook_rotate,
    webhook_test,
    webhook_update,
)

PER_PAGE = 25


@page("webhooks/<int:pk>/", "webhook")
@require_GET
def webhook_page(request: HttpRequest, pk: int) -> HttpResponse:
    webhook = webhook_get(principal_of(request), pk)
    chosen = _chosen(request.GET)
    deliveries = webhook.deliveries.select_related("replay_of").filter(**chosen)
    pages = KeyedPaginator(deliveries, PER_PAGE).get_page(request.GET.get("page"))
    return show(
        request,
        "console/webhook.html",
        crumbs_of(webhook),
        webhook=webhook,
        told_of=[(name, EVENTS[name].about) for name in webhook.events if name in EVENTS],
        pages=pages,
        page_query="".join(f"{name}={value}&" for name, value in chosen.items()),
        deliveries=[(delivery, _readable(delivery.body)) for delivery in pages],
        states=Delivery.States.choices,
        events=[*webhook.events, PING],
        chosen=chosen,
    )


@page("webhooks/<int:pk>/test/", "webhook_test")
@require_POST
def webhook_tested(request: HttpRequest, pk: int) -> HttpResponse:
    webhook = webhook_get(principal_of(request), pk)
    with told(request, gettext("A ping is on its way; the log shows how it went.")):
        webhook_test(webhook, principal=principal_of(request))
    return redirect("admin:webhook", pk)


@page("webhooks/<int:pk>/deliveries/<uuid:delivery>/replay/", "delivery_replay")
@require_POST
def delivery_replayed(request: HttpRequest, pk: int, delivery: UUID) -> HttpResponse:
    found = delivery_get(principal_of(request), pk, delivery)
    with told(request, gettext("It is sent again, as a delivery of its own.")):
        delivery_replay(found, principal=principal_of(request))
    return redirect("admin:webhook", pk)


@page("webhooks/<int:pk>/on/", "webhook_on")
@require_POST
def webhook_on(request: HttpRequest, pk: int) -> HttpResponse:
    return _turned(request, pk, active=True, said=gettext("The webhook is on."))


@page("webhooks/<int:pk>/off/", "webhook_off")
@require_http_methods(["GET", "POST"])
def webhook_off(request: HttpRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        return _turned(request, pk, active=False, said=gettext("The webhook is off."))
    question = gettext("Turn “%(name)s” off?")
    note = gettext("It is told nothing until somebody turns it on; what waits is not sent.")
    return _asked(request, pk, question, note, _("Turn off"))


@page("webhooks/<int:pk>/rotate/", "webhook_rotate")
@never_cache
@require_http_methods(["GET", "POST"])
def webhook_rotated(request: HttpRequest, pk: int) -> HttpResponse:
    webhook = webhook_get(principal_of(request), pk)
    if request.method == "POST":
        secret = webhook_rotate(webhook, principal=principal_of(request))
        crumbs = [*crumbs_of(webhook), (_("New secret"), request.path)]
        return show_secret(request, webhook, secret, crumbs)
    question = gettext("Give “%(name)s” a new secret?")
    note = gettext("What is sent from then on is signed with it; the old one ends at once.")
    return _asked(request, pk, question, note, _("New secret"))


@page("webhooks/<int:pk>/delete/", "webhook_delete")
@require_http_methods(["GET", "POST"])
def webhook_deleted(request: HttpRequest, pk: int) -> HttpResponse:
    webhook = webhook_get(principal_of(request), pk)
    if request.method == "POST":
        with told(request, gettext("“%(name)s” was deleted.") % {"name": webhook.name}):
            webhook_delete(webhook, principal=principal_of(request))
        return redirect("admin:ops_webhook_changelist")
    note = gettext("The log of its deliveries goes with it. This cannot be undone.")
    return _asked(request, pk, gettext("Delete the webhook “%(name)s”?"), note, _("Delete"))


def _turned(request: HttpRequest, pk: int, *, active: bool, said: str) -> HttpResponse:
    webhook = webhook_get(principal_of(request), pk)
    with told(request, said):
        webhook_update(webhook, principal=principal_of(request), changes={"active": active})
    return redirect("admin:webhook", pk)


def _asked(request: HttpRequest, pk: int, question: str, note: str, verb: Any) -> HttpResponse:
    webhook: Webhook = webhook_get(principal_of(request), pk)
    crumbs = [*crumbs_of(webhook), (verb, request.path)]
    return show(
        request,
        "console/confirm.html",
        crumbs,
        question=question % {"name": webhook.name},
        note=note,
        verb=verb,
        back=crumbs[1][1],
    )


def _chosen(query: QueryDict) -> dict[str, str]:
    """The filters that are set, to values that there are."""
    known = {"state": Delivery.States.values, "event": [*EVENTS, PING]}
    chosen = {name: query.get(name, "") for name in known}
    return {name: value for name, value in chosen.items() if value in known[name]}


def _readable(body: str) -> str:
    """JSON a line a value."""
    return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
