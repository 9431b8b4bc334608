"""Teams: the list, a team's page with its members, making and editing one."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from unfold.decorators import display

from aihub.access import Action
from aihub.problems import N_, Problem
from ops.console.caller import has_team, is_admin, principal_of
from ops.console.forms import MemberForm, TeamForm
from ops.console.lists import ListAdmin
from ops.console.pages import Crumb, page, show, told
from ops.console.site import site
from registry.models import Membership, Team
from registry.services.models import denied
from registry.services.teams import membership_remove, membership_set, team_create, team_update


@admin.register(Team, site=site)
class TeamList(ListAdmin):
    route = "teams"
    list_display = ("show_name", "description", "show_members", "show_models")
    search_fields = ("name", "description")
    empty_title = _("No teams yet")
    empty_text = _("Models belong to teams, and a member's role says what they may do.")

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        if not is_admin(request):
            return {}
        return {"add_url": reverse("admin:team_new"), "add_label": _("New team")}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_team(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return _visible(request).annotate(
            member_count=Count("memberships", distinct=True),
            model_count=Count("models", filter=Q(models__deleted_at=None), distinct=True),
        )

    @display(description=_("name"), ordering="name")
    def show_name(self, team: Team) -> str:
        url = reverse("admin:team", args=[team.name])
        return format_html('<a class="hub-link" href="{}">{}</a>', url, team.name)

    @display(description=_("members"), ordering="member_count")
    def show_members(self, team: Any) -> int:
        return int(team.member_count)

    @display(description=_("models"), ordering="model_count")
    def show_models(self, team: Any) -> int:
        return int(team.model_count)


@page("new-team/", "team_new")  # not below /teams/, where it would hide a team of that name
@require_http_methods(["GET", "POST"])
def team_new(request: HttpRequest) -> HttpResponse:
    if not is_admin(request):
        raise Problem(403, N_("You may not do this."))
    form = TeamForm(request.POST or None)
    if form.is_valid():
        team = team_create(principal=principal_of(request), **form.cleaned_data)
        return redirect("admin:team", team.name)
    crumbs = [*_crumbs(), (_("New team"), request.path)]
    return show(request, "console/form.html", crumbs, form=form, back=crumbs[0][1])


@page("teams/<slug:name>/", "team")
@require_GET
def team_page(request: HttpRequest, name: str) -> HttpResponse:
    team = get_object_or_404(_visible(request), name=name)
    return show(
        request,
        "console/team.html",
        [*_crumbs(), (team.name, request.path)],
        team=team,
        members=team.memberships.select_related("user").order_by("user__username"),
        models=team.models.order_by("name_key"),
        roles=Membership.Roles.choices,
        may_manage=principal_of(request).may_in_team(Action.MANAGE, team.pk),
    )


@page("teams/<slug:name>/edit/", "team_edit")
@require_http_methods(["GET", "POST"])
def team_edit(request: HttpRequest, name: str) -> HttpResponse:
    if not is_admin(request):
        raise Problem(403, N_("You may not do this."))
    team = get_object_or_404(Team, name=name)
    form = TeamForm(request.POST or None, instance=team)
    if form.is_valid():
        changes = {field: form.cleaned_data[field] for field in form.changed_data}
        if changes:
            team_update(team, principal=principal_of(request), changes=changes)
        return redirect("admin:team", team.name)
    here = reverse("admin:team", args=[name])
    crumbs = [*_crumbs(), (name, here), (_("Edit"), request.path)]
    return show(request, "console/form.html", crumbs, form=form, back=here)


@page("teams/<slug:name>/members/", "member_set")
@require_POST
def member_set(request: HttpRequest, name: str) -> HttpResponse:
    team = _managed(request, name)
    form = MemberForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Give a user name and a role."))
        return redirect("admin:team", team.name)
    username, role = form.cleaned_data["username"], form.cleaned_data["role"]
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        messages.error(request, gettext("There is no user “%(name)s”.") % {"name": username})
        return redirect("admin:team", team.name)
    with told(request, gettext("Saved.")):
        membership_set(principal=principal_of(request), team=team, user=user, role=role)
    return redirect("admin:team", team.name)


@page("teams/<slug:name>/members/<int:pk>/remove/", "member_remove")
@require_POST
def member_remove(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    team = _managed(request, name)
    membership = get_object_or_404(team.memberships.select_related("user", "team"), pk=pk)
    values = {"name": membership.user.get_username(), "team": team.name}
    with told(request, gettext("%(name)s is no longer in the team “%(team)s”.") % values):
        membership_remove(membership, principal=principal_of(request))
    left = membership.user == request.user and not is_admin(request)
    return redirect("admin:registry_team_changelist") if left else redirect("admin:team", team.name)


def _visible(request: HttpRequest) -> QuerySet[Team]:
    """The teams that a user is in; administrators see all."""
    principal = principal_of(request)
    return Team.objects.all() if principal.is_admin else Team.objects.filter(pk__in=principal.roles)


def _managed(request: HttpRequest, name: str) -> Team:
    team = get_object_or_404(_visible(request), name=name)
    if not principal_of(request).may_in_team(Action.MANAGE, team.pk):
        raise denied(Action.MANAGE, team)
    return team


def _crumbs() -> list[Crumb]:
    return [(_("Teams"), reverse("admin:registry_team_changelist"))]
