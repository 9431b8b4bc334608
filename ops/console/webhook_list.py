"""Webhooks: the list, making one, editing one."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.decorators import display

from aihub.access import Action
from aihub.problems import N_, Problem
from ops.console.caller import is_admin, manages, principal_of, teams_where
from ops.console.filters import ManagedTeamFilter
from ops.console.lists import ListAdmin
from ops.console.looks import delivery_badge, webhook_badge
from ops.console.pages import Crumb, page, show, told
from ops.console.site import site
from ops.console.webhook_forms import WebhookForm
from ops.models import Webhook
from ops.notifications.visible import webhook_get, webhooks_visible
from ops.notifications.webhooks import webhook_create, webhook_update


@admin.register(Webhook, site=site)
class WebhookList(ListAdmin):
    route = "webhooks"
    list_display = (
        *("show_name", "show_team", "show_url", "show_events"),
        *("show_state", "show_last", "created_at"),
    )
    list_filter = (ManagedTeamFilter,)
    search_fields = ("name", "url")
    search_help_text = _("Search names and URLs")
    empty_title = _("No webhooks yet")
    empty_text = _(
        "A webhook tells another program what happens here: a version that is ready, a promotion, "
        "a breaker that opened, a batch job that ended."
    )

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        return {"add_url": reverse("admin:webhook_new"), "add_label": _("New webhook")}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return manages(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        return webhooks_visible(principal_of(request)).order_by("name", "pk")

    @display(description=_("name"), ordering="name")
    def show_name(self, webhook: Webhook) -> SafeString:
        url = reverse("admin:webhook", args=[webhook.pk])
        return format_html('<a class="hub-link" href="{}">{}</a>', url, webhook.name)

    @display(description=_("team"), ordering="team__name")
    def show_team(self, webhook: Webhook) -> str:
        return webhook.team.name if webhook.team else gettext("Every team")

    @display(description="URL")
    def show_url(self, webhook: Webhook) -> SafeString:
        return format_html('<span class="hub-mono hub-break">{}</span>', webhook.url)

    @display(description=_("events"))
    def show_events(self, webhook: Webhook) -> str:
        return ", ".join(webhook.events)

    @display(description=_("state"))
    def show_state(self, webhook: Webhook) -> SafeString:
        return webhook_badge(webhook)

    @display(description=_("last delivery"))
    def show_last(self, webhook: Any) -> str:
        return delivery_badge(webhook.last_state) if webhook.last_state else "–"


@page("webhooks/new/", "webhook_new")
@never_cache
@require_http_methods(["GET", "POST"])
def webhook_new(request: HttpRequest) -> HttpResponse:
    """Make a webhook; its secret is shown in the answer itself."""
    principal = principal_of(request)
    teams, every_team = teams_where(principal, Action.MANAGE), is_admin(request)
    if not teams and not every_team:
        raise Problem(403, N_("You may not do this."))
    form = WebhookForm(request.POST or None, teams=teams, every_team=every_team, webhook=None)
    crumbs = [*crumbs_of(), (_("New webhook"), request.path)]
    if form.is_valid():
        with told(request):
            webhook, secret = webhook_create(principal=principal, **form.values)
            return show_secret(request, webhook, secret, crumbs)
    context = {"form": form, "verb": _("Make the webhook"), "back": crumbs[0][1]}
    return show(request, "console/form.html", crumbs, **context)


@page("webhooks/<int:pk>/edit/", "webhook_edit")
@require_http_methods(["GET", "POST"])
def webhook_edit(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    webhook = webhook_get(principal, pk)
    here = reverse("admin:webhook", args=[pk])
    form = WebhookForm(request.POST or None, teams=[], every_team=False, webhook=webhook)
    if form.is_valid():
        changes = form.values
        changes["model_names"] = changes.pop("models")
        with told(request, gettext("Saved.")):
            webhook_update(webhook, principal=principal, changes=changes)
        return redirect(here)
    crumbs = [*crumbs_of(webhook), (_("Edit"), request.path)]
    return show(request, "console/form.html", crumbs, form=form, back=here)


def show_secret(
    request: HttpRequest, webhook: Webhook, secret: str, crumbs: list[Crumb]
) -> HttpResponse:
    """The page that shows a secret, this once."""
    return show(request, "console/webhook_secret.html", crumbs, webhook=webhook, secret=secret)


def crumbs_of(webhook: Webhook | None = None) -> list[Crumb]:
    """The way to the list, and to a webhook."""
    to_list = [(_("Webhooks"), reverse("admin:ops_webhook_changelist"))]
    if webhook is None:
        return to_list
    return [*to_list, (webhook.name, reverse("admin:webhook", args=[webhook.pk]))]
