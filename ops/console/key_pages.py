"""API keys: the list, making one, revoking one."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.decorators import display

from aihub.access import Action
from aihub.problems import N_, Problem
from ops.console.caller import manages, principal_of, teams_where
from ops.console.filters import ManagedTeamFilter
from ops.console.forms import KeyForm
from ops.console.lists import ListAdmin
from ops.console.looks import badge
from ops.console.pages import Crumb, page, show, told
from ops.console.site import site
from ops.keys import key_create, key_revoke
from ops.models import ApiKey


@admin.register(ApiKey, site=site)
class KeyList(ListAdmin):
    route = "api-keys"
    list_display = (
        "name",
        "show_prefix",
        "team",
        "show_actions",
        "show_models",
        "show_state",
        "last_used_at",
        "show_revoke",
    )
    list_filter = (ManagedTeamFilter,)
    search_fields = ("name", "prefix", "created_by")
    search_help_text = _("Search names and prefixes")
    list_select_related = ("team",)
    empty_title = _("No API keys yet")
    empty_text = _("An application needs a key to call models. Make one for each application.")

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        return {"add_url": reverse("admin:key_new"), "add_label": _("New key")}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return manages(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return _keys(request)

    @display(description=_("prefix"))
    def show_prefix(self, key: ApiKey) -> SafeString:
        return format_html('<span class="hub-mono">aihub_{}…</span>', key.prefix)

    @display(description=_("may"))
    def show_actions(self, key: ApiKey) -> str:
        return ", ".join(key.actions)

    @display(description=_("models"))
    def show_models(self, key: ApiKey) -> str:
        return ", ".join(key.model_names) or gettext("all of the team")

    @display(description=_("state"))
    def show_state(self, key: ApiKey) -> SafeString:
        if key.revoked_at:
            return badge(_("revoked"), "bad")
        if key.expires_at and key.expires_at <= timezone.now():
            return badge(_("expired"), "warn")
        return badge(_("valid"), "good")

    @display(description="")
    def show_revoke(self, key: ApiKey) -> str:
        if key.revoked_at:
            return ""
        url = reverse("admin:key_revoke", args=[key.prefix])
        return format_html('<a class="hub-link hub-danger" href="{}">{}</a>', url, _("Revoke"))


@page("api-keys/new/", "key_new")
@never_cache
@require_http_methods(["GET", "POST"])
def key_new(request: HttpRequest) -> HttpResponse:
    """Make a key; it is shown in the answer itself and kept nowhere."""
    principal = principal_of(request)
    teams = teams_where(principal, Action.MANAGE)
    if not teams:
        raise Problem(403, N_("You may not do this."))
    form = KeyForm(request.POST or None, teams=teams)
    crumbs = [*_crumbs(), (_("New key"), request.path)]
    if not form.is_valid():
        context = {"form": form, "verb": _("Make the key"), "back": crumbs[0][1]}
        return show(request, "console/form.html", crumbs, **context)
    data = form.cleaned_data
    key, secret = key_create(
        principal=principal,
        team=data["team"],
        name=data["name"],
        actions=data["actions"],
        models=data["models"],
        expires_at=form.expires_at,
    )
    hub_url = request.build_absolute_uri("/").rstrip("/")
    return show(request, "console/key_made.html", crumbs, key=key, secret=secret, hub_url=hub_url)


@page("api-keys/<str:prefix>/revoke/", "key_revoke")
@require_http_methods(["GET", "POST"])
def key_end(request: HttpRequest, prefix: str) -> HttpResponse:
    key = get_object_or_404(_keys(request), prefix=prefix)
    if request.method == "POST":
        with told(request, gettext("“%(name)s” was revoked.") % {"name": key.name}):
            key_revoke(key, principal=principal_of(request))
        return redirect("admin:ops_apikey_changelist")
    question = gettext("Revoke the key “%(name)s”? Who uses it is refused within 2 seconds.")
    crumbs = [*_crumbs(), (_("Revoke"), request.path)]
    return show(
        request,
        "console/confirm.html",
        crumbs,
        question=question % {"name": key.name},
        verb=_("Revoke"),
        back=crumbs[0][1],
    )


def _keys(request: HttpRequest) -> QuerySet[ApiKey]:
    teams = teams_where(principal_of(request), Action.MANAGE)
    return ApiKey.objects.select_related("team").filter(team__in=teams)


def _crumbs() -> list[Crumb]:
    return [(_("API keys"), reverse("admin:ops_apikey_changelist"))]
