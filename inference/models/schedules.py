"""Schedules of batch jobs."""

from django.db import models
from django.utils.translation import gettext, gettext_lazy as _
from django_celery_beat.models import PeriodicTask

from inference.models.batch import BatchJob, OutputFormat, Priority
from registry.models import RegisteredModel, Team


class Overlap(models.TextChoices):
    """What happens when the job of the run before is not over."""

    SKIP = "skip", _("leave the run out")
    ALLOW = "allow", _("run beside it")


class Outcome(models.TextChoices):
    """How the last run went."""

    MADE = "made", _("job made")
    SKIPPED = "skipped", _("left out")
    FAILED = "failed", _("failed")


class BatchSchedule(models.Model):
    """A batch job that is made anew whenever it is due, with the rights its owner has then.

    `settled_at` is the moment up to which nothing is due any more: a run is claimed by moving it.
    `next_run_at` is null where it is off. `beat` is what the role `beat` goes by.
    """

    name = models.CharField(_("name"), max_length=100)
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="batch_schedules", verbose_name=_("team")
    )
    model = models.ForeignKey(
        RegisteredModel, null=True, on_delete=models.SET_NULL, related_name="batch_schedules"
    )
    model_name = models.CharField(_("model"), max_length=100)
    version = models.CharField(_("version"), max_length=80, blank=True)  # or a range
    alias = models.CharField(_("alias"), max_length=64, blank=True)
    prefix = models.CharField(_("prefix"), max_length=500)
    output_format = models.CharField(
        _("output format"), max_length=8, choices=OutputFormat.choices, default=OutputFormat.JSONL
    )
    options = models.JSONField(_("options"), default=dict)
    priority = models.SmallIntegerField(
        _("priority"), choices=Priority.choices, default=Priority.NORMAL
    )
    overlap = models.CharField(
        _("overlap"), max_length=8, choices=Overlap.choices, default=Overlap.SKIP
    )

    cron = models.CharField(_("cron"), max_length=200)
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC")
    active = models.BooleanField(_("active"), default=True)
    beat = models.OneToOneField(PeriodicTask, on_delete=models.PROTECT, related_name="schedule_of")
    settled_at = models.DateTimeField()
    next_run_at = models.DateTimeField(_("next run"), null=True)

    last_run_at = models.DateTimeField(_("last run"), null=True)
    last_outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True)
    last_job = models.ForeignKey(BatchJob, null=True, on_delete=models.SET_NULL, related_name="+")
    error_message = models.TextField(blank=True)
    error_values = models.JSONField(default=dict)

    owner = models.CharField(max_length=64, db_index=True)  # the principal's id
    created_by = models.CharField(_("created by"), max_length=150)
    person = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        ordering = ("-pk",)
        indexes = [models.Index(fields=("active", "next_run_at"), name="batch_schedule_due")]
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")

    def __str__(self) -> str:
        return self.name

    @property
    def error(self) -> str:
        """Why the last run made no job, in the reader's language; empty when it did."""
        if not self.error_message:
            return ""
        message = gettext(self.error_message)
        return message % self.error_values if self.error_values else message
