"""The lists of models and versions."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy as _
from unfold.decorators import display

from ops.console.caller import may_publish, principal_of
from ops.console.filters import (
    FormatFilter,
    ModelTeamFilter,
    StateFilter,
    TaskFilter,
    VersionTeamFilter,
)
from ops.console.looks import badge, model_link, size, state_badge, version_link
from ops.console.searched_list import SearchedList
from ops.console.site import site
from registry import selectors
from registry.models import Alias, ModelVersion, RegisteredModel
from registry.searching.conditions import models_where, versions_where
from registry.selectors.workers import stalled_among

PRODUCTION = "production"


class PublishedList(SearchedList):
    """A list whose button leads to the page that publishes; `state_field` is a row's state."""

    state_field = "state"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, which knows why what it shows does not go on."""
        found = super().get_changelist_instance(request)
        found.stalled = stalled_among(getattr(row, self.state_field) for row in found.result_list)
        return found

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        if not may_publish(request):
            return {}
        return {
            "may_publish": True,
            "add_url": reverse("admin:publish"),
            "add_label": _("Publish"),
            "add_icon": "cloud_upload",
        }


@admin.register(RegisteredModel, site=site)
class ModelList(PublishedList):
    route = "models"
    state_field = "newest_state"
    list_display = (
        "show_name",
        "show_team",
        "task",
        "show_production",
        "show_newest",
        "updated_at",
    )
    list_filter = (ModelTeamFilter, TaskFilter)
    search_where = staticmethod(models_where)
    search_help_text = _("Words, or terms such as tag:vision")
    ordering = ("name_key",)
    empty_title = _("No models yet")
    empty_text = _("Publish the first one: drop its files, and the hub checks and serves it.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RegisteredModel]:
        newest = ModelVersion.objects.filter(model=OuterRef("pk")).order_by("-sort_key")
        production = Alias.objects.filter(model=OuterRef("pk"), name=PRODUCTION)
        return selectors.models_visible(principal_of(request)).annotate(
            newest_version=Subquery(newest.values("version")[:1]),
            newest_state=Subquery(newest.values("state")[:1]),
            production_version=Subquery(production.values("version__version")[:1]),
        )

    @display(description=_("name"), ordering="name_key")
    def show_name(self, model: RegisteredModel) -> str:
        return model_link(model.name)

    @display(description=_("team"), ordering="team__name")
    def show_team(self, model: RegisteredModel) -> str:
        shared = badge(_("shared"), "info") if model.shared else ""
        return format_html("{} {}", model.team.name, shared)

    @display(description=_("production"), empty_value="–")
    def show_production(self, model: Any) -> str | None:
        version = model.production_version
        return version and version_link(model.name, version)

    @display(description=_("newest version"), empty_value="–")
    def show_newest(self, model: Any) -> str | None:
        if not model.newest_version:
            return None
        link = version_link(model.name, model.newest_version)
        return format_html("{} {}", link, state_badge(model.newest_state))


@admin.register(ModelVersion, site=site)
class VersionList(PublishedList):
    route = "versions"
    list_per_page = 25
    sortable_by = ("show_size", "created_at")  # what else there is, filters and the search find
    list_display = (
        "show_version",
        "show_model",
        "show_state",
        "show_format",
        "show_size",
        "created_by",
        "created_at",
        "show_compare",
    )
    list_after_template = "console/compare_chosen.html"
    list_filter = (StateFilter, FormatFilter, VersionTeamFilter)
    search_where = staticmethod(versions_where)
    search_help_text = _("Words, or terms such as state:ready")
    ordering = ("-pk",)
    empty_title = _("No versions yet")
    empty_text = _("Publish the first one: drop its files, and the hub checks and serves it.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        return selectors.versions_visible(principal_of(request)).defer(*selectors.LARGE)

    @display(description=_("version"))
    def show_version(self, version: Any) -> str:
        return version_link(version.model.name, version.version)

    @display(description=_("model"))
    def show_model(self, version: Any) -> str:
        return model_link(version.model.name)

    @display(description=_("state"))
    def show_state(self, version: ModelVersion) -> str:
        reason = version.reason
        if not reason:
            return state_badge(version.state)
        markup = '{}<span class="hub-reason-short" title="{}">{}</span>'
        return format_html(markup, state_badge(version.state), reason, reason)

    @display(description=_("format"), empty_value="–")
    def show_format(self, version: ModelVersion) -> str:
        parts = (version.get_format_display(), version.architecture)
        return " · ".join(part for part in parts if part)

    @display(description=_("compare"))
    def show_compare(self, version: Any) -> SafeString:
        name = f"{version.model.name}/{version.version}"
        box = '<input type="checkbox" name="version" form="compare" value="{}" aria-label="{}">'
        return format_html(box, name, gettext("Compare %(version)s") % {"version": name})

    @display(description=_("size"), ordering="size")
    def show_size(self, version: ModelVersion) -> str:
        return size(version.size)
