"""The list of schedules, each with a switch."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy as _
from unfold.decorators import display

from inference.batch.schedule_selectors import schedules_visible
from inference.batch.services import may_steer
from inference.models import BatchSchedule
from ops.console.caller import principal_of
from ops.console.filters import FieldFilter
from ops.console.lists import ListAdmin
from ops.console.pages import Crumb
from ops.console.schedule_words import cron_words, job_link, outcome_badge, schedule_badge
from ops.console.site import site


class ScheduleTeamFilter(FieldFilter):
    title = _("team")
    parameter_name = "team"
    lookup = "team__name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        schedules = schedules_visible(principal_of(request)).order_by("team__name")
        return [(name, name) for name in schedules.values_list("team__name", flat=True).distinct()]


@admin.register(BatchSchedule, site=site)
class ScheduleList(ListAdmin):
    route = "batch-schedules"
    list_display = (
        *("show_name", "show_model", "show_times", "show_next"),
        *("show_last", "show_team", "show_active"),
    )
    list_filter = (ScheduleTeamFilter,)
    search_fields = ("name", "model_name", "prefix")
    search_help_text = _("Search names, models and prefixes")
    ordering = ("name", "pk")
    empty_title = _("No schedules yet")
    empty_text = _(
        "A schedule makes the same batch job again and again, for example every night, over what "
        "then lies under a prefix of the bucket."
    )

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        return {"add_url": reverse("admin:schedule_new"), "add_label": _("New schedule")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[BatchSchedule]:
        return schedules_visible(principal_of(request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, whose rows know whether the user may switch them, and where they are shown."""
        found = super().get_changelist_instance(request)
        for schedule in found.result_list:
            schedule.steers = may_steer(principal_of(request), schedule)
            schedule.shown_by = request.GET.urlencode()
        return found

    @display(description=_("name"), ordering="name")
    def show_name(self, schedule: BatchSchedule) -> SafeString:
        url = reverse("admin:schedule", args=[schedule.pk])
        return format_html('<a class="hub-link" href="{}">{}</a>', url, schedule.name)

    @display(description=_("model"), ordering="model_name")
    def show_model(self, schedule: BatchSchedule) -> SafeString:
        asked = schedule.alias or schedule.version
        markup = '{}<div class="hub-faint">{}</div>' if asked else "{}{}"
        return format_html(markup, schedule.model_name, asked)

    @display(description=_("when"))
    def show_times(self, schedule: BatchSchedule) -> SafeString:
        words, zone = cron_words(schedule.cron), schedule.timezone
        return format_html('{}<div class="hub-faint">{}</div>', words, zone)

    @display(description=_("next run"), ordering="next_run_at")
    def show_next(self, schedule: BatchSchedule) -> str:
        moment = schedule.next_run_at
        return date_format(moment, "Y-m-d H:i") + " UTC" if moment else "–"

    @display(description=_("last run"), ordering="last_run_at")
    def show_last(self, schedule: BatchSchedule) -> SafeString | str:
        job = job_link(schedule.last_job_id) if schedule.last_job_id else ""
        return format_html('<span class="hub-badges">{}{}</span>', outcome_badge(schedule), job)

    @display(description=_("team"), ordering="team__name")
    def show_team(self, schedule: BatchSchedule) -> str:
        return schedule.team.name

    @display(description=_("active"), ordering="active")
    def show_active(self, schedule: Any) -> SafeString:
        if not schedule.steers:
            return schedule_badge(schedule)
        name = "schedule_off" if schedule.active else "schedule_on"
        return format_html(
            '<button type="submit" class="hub-switch" role="switch" aria-checked="{}" '
            'aria-label="{}" formaction="{}" id="switch-{}" name="list" value="{}"></button>',
            "true" if schedule.active else "false",
            gettext("Run “%(name)s” when it is due") % {"name": schedule.name},
            reverse(f"admin:{name}", args=[schedule.pk]),
            str(schedule.pk),
            schedule.shown_by,
        )


def crumbs_of(schedule: BatchSchedule | None = None) -> list[Crumb]:
    """The way to the list, and to a schedule."""
    to_list = [(_("Schedules"), reverse("admin:inference_batchschedule_changelist"))]
    if schedule is None:
        return to_list
    return [*to_list, (schedule.name, reverse("admin:schedule", args=[schedule.pk]))]
