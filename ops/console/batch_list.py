"""The list of batch jobs."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from aihub.paging import KeyedPaginator
from inference.batch.selectors import LARGE, jobs_visible
from inference.models import BatchJob
from inference.models.batch import JobState
from ops.console.batch_looks import job_bar, job_words
from ops.console.caller import principal_of
from ops.console.filters import JobModelFilter, JobStateFilter, JobTeamFilter, MineFilter
from ops.console.lists import ListAdmin
from ops.console.looks import job_badge, version_link
from ops.console.pages import Crumb
from ops.console.site import site
from registry.processing.worker import BATCH
from registry.selectors.workers import stalled

GOING = (JobState.QUEUED, JobState.RUNNING)


@admin.register(BatchJob, site=site)
class JobList(ListAdmin):
    route = "batch-jobs"
    list_display = (
        *("show_id", "show_version", "show_input", "show_state", "show_progress"),
        *("show_team", "created_by", "created_at"),
    )
    list_per_page = 25
    sortable_by = ()
    list_filter = (JobStateFilter, JobModelFilter, JobTeamFilter, MineFilter)
    list_before_template = "console/batch_before.html"
    search_fields = ("model_name", "input_name")
    search_help_text = _("Search models and inputs")
    ordering = ("-pk",)
    paginator = KeyedPaginator
    empty_title = _("No batch jobs yet")
    empty_text = _(
        "A batch job runs a model over a whole file or folder (a table, lines of JSON, an archive "
        "of pictures) and writes one file with an answer for every row. It goes on by itself: "
        "close the page and come back."
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, which knows why what it shows does not go on."""
        found = super().get_changelist_instance(request)
        waits = any(job.state in GOING for job in found.result_list)
        found.stalled = stalled(BATCH) if waits else None
        return found

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        return {"add_url": reverse("admin:batch_new"), "add_label": _("New batch job")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[BatchJob]:
        return jobs_visible(principal_of(request)).defer(*LARGE)

    @display(description=_("job"))
    def show_id(self, job: BatchJob) -> SafeString:
        url = reverse("admin:batch_job", args=[job.pk])
        return format_html('<a class="hub-link" href="{}">#{}</a>', url, str(job.pk))

    @display(description=_("model"))
    def show_version(self, job: BatchJob) -> SafeString:
        if job.version_id is None:
            return format_html("{} {}", job.model_name, job.version_name)
        link = version_link(job.model_name, job.version_name)
        return format_html("{} {}", job.model_name, link)

    @display(description=_("input"))
    def show_input(self, job: BatchJob) -> SafeString:
        return format_html('<span class="hub-break">{}</span>', job.input_name)

    @display(description=_("state"))
    def show_state(self, job: BatchJob) -> SafeString:
        mark = '<span data-job="{}" data-going="{}">{}</span>'
        going = "true" if job.state in GOING else "false"
        shown = format_html(mark, str(job.pk), going, job_badge(job.state))
        if not job.reason:
            return shown
        markup = '{}<span class="hub-reason-short" title="{}">{}</span>'
        return format_html(markup, shown, job.reason, job.reason)

    @display(description=_("progress"))
    def show_progress(self, job: BatchJob) -> SafeString:
        markup = '<span class="hub-job-progress">{}<span class="hub-faint">{}</span></span>'
        return format_html(markup, job_bar(job), job_words(job))

    @display(description=_("team"))
    def show_team(self, job: BatchJob) -> str:
        return job.team.name


def crumbs_of(job: BatchJob | None = None) -> list[Crumb]:
    """The way to the list, and to a job."""
    to_list = [(_("Batch jobs"), reverse("admin:inference_batchjob_changelist"))]
    if job is None:
        return to_list
    return [*to_list, (f"#{job.pk}", reverse("admin:batch_job", args=[job.pk]))]
