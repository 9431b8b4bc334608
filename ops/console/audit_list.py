"""The audit trail, to read."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from aihub.access import Action
from ops.console.caller import manages, principal_of, teams_where
from ops.console.filters import FieldFilter, ManagedTeamFilter
from ops.console.lists import ListAdmin
from ops.console.site import site
from ops.models import AuditEvent


class ActionFilter(FieldFilter):
    title = _("action")
    parameter_name = "action"
    lookup = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        actions = model_admin.get_queryset(request).order_by("action")
        return [(name, name) for name in actions.values_list("action", flat=True).distinct()]


@admin.register(AuditEvent, site=site)
class AuditList(ListAdmin):
    route = "audit"
    list_display = (
        "at",
        "actor_name",
        "show_action",
        "subject",
        "team",
        "show_data",
        "show_source",
    )
    list_filter = (ActionFilter, ManagedTeamFilter, ("at", RangeDateTimeFilter))
    search_fields = ("subject", "actor_name", "action", "request_id")
    search_help_text = _("Search people, actions, subjects and request ids")
    list_select_related = ("team",)
    empty_title = _("Nothing has happened yet")
    empty_text = _("Every change is written down here: who made it, when, and from where.")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return manages(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        principal = principal_of(request)
        events = AuditEvent.objects.select_related("team").order_by("-at", "-pk")
        if principal.is_admin:
            return events
        return events.filter(team__in=teams_where(principal, Action.MANAGE))

    @display(description=_("action"), ordering="action")
    def show_action(self, event: AuditEvent) -> SafeString:
        return format_html('<span class="hub-mono">{}</span>', event.action)

    @display(description=_("details"))
    def show_data(self, event: AuditEvent) -> SafeString:
        pairs = ((name, _plain(value)) for name, value in event.data.items() if value)
        joined = format_html_join(" ", "<span><i>{}</i> {}</span>", pairs)
        return format_html('<span class="hub-pairs">{}</span>', joined)

    @display(description=_("from"))
    def show_source(self, event: AuditEvent) -> SafeString:
        return format_html('<span title="{}">{}</span>', event.request_id, event.address or "–")


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
