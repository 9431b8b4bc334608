"""Filters of the console's lists; each offers only what the user may see."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from aihub.access import Action
from inference.batch.selectors import jobs_visible
from inference.models.batch import JobState
from ops.console.caller import principal_of, teams_where
from registry import selectors
from registry.models.registered import Task
from registry.models.versions import Format, State


class FieldFilter(DropdownFilter):
    """Rows whose `lookup` is the chosen value."""

    lookup: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.lookup: value}) if value else queryset


class ModelTeamFilter(FieldFilter):
    title = _("team")
    parameter_name = "team"
    lookup = "team__name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        models = selectors.models_visible(principal_of(request)).order_by("team__name")
        return [(name, name) for name in models.values_list("team__name", flat=True).distinct()]


class VersionTeamFilter(ModelTeamFilter):
    lookup = "model__team__name"


class ManagedTeamFilter(FieldFilter):
    title = _("team")
    parameter_name = "team"
    lookup = "team__name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        teams = teams_where(principal_of(request), Action.MANAGE)
        return [(team.name, team.name) for team in teams]


class ChoiceFilter(FieldFilter):
    choices_of: Any

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.choices_of.choices)


class TaskFilter(ChoiceFilter):
    title, parameter_name, lookup, choices_of = _("task"), "task", "task", Task


class StateFilter(ChoiceFilter):
    title, parameter_name, lookup, choices_of = _("state"), "state", "state", State


class FormatFilter(ChoiceFilter):
    title, parameter_name, lookup, choices_of = _("format"), "format", "format", Format


class JobStateFilter(ChoiceFilter):
    title, parameter_name, lookup, choices_of = _("state"), "state", "state", JobState


class JobModelFilter(FieldFilter):
    title = _("model")
    parameter_name = "model"
    lookup = "model_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = jobs_visible(principal_of(request)).order_by(self.lookup)
        return [(name, name) for name in names.values_list(self.lookup, flat=True).distinct()]


class JobTeamFilter(JobModelFilter):
    title = _("team")
    parameter_name = "team"
    lookup = "team__name"


class MineFilter(DropdownFilter):
    """What the user made themselves."""

    title = _("maker")
    parameter_name = "made"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("me", _("me"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        mine = self.value() == "me"
        return queryset.filter(owner=principal_of(request).id) if mine else queryset
