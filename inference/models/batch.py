"""Batch jobs, and the chunks that their rows are computed in."""

from django.db import models
from django.utils.translation import gettext, gettext_lazy as _, pgettext_lazy

from registry.models import Leased, ModelVersion, RegisteredModel, Team, Upload


class JobState(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", pgettext_lazy("of a batch job", "cancelled")


UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)
FINISHED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Priority(models.IntegerChoices):
    """Among the jobs of one team."""

    LOW = -1, _("low")
    NORMAL = 0, _("normal")
    HIGH = 1, _("high")


class OutputFormat(models.TextChoices):
    JSONL = "jsonl", "JSON lines"
    CSV = "csv", "CSV"
    PARQUET = "parquet", "Parquet"


class BatchJob(models.Model):
    """One version over one input. `plan` is what a worker fixed before the first row ran: the
    variant, the input as found, the rows of a batch and of a chunk, the form of the output.

    The input is an upload or the objects under a prefix of the bucket. Rows count as `done` when
    they finished well, as `failed` when they have an error; `total` is known once all of the input
    was read. `reason` is kept as a message and its values. `request_id` is that of the call that
    made it, or retried it last: all lines of its work in the log have it.
    """

    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="batch_jobs", verbose_name=_("team")
    )
    model = models.ForeignKey(
        RegisteredModel, null=True, on_delete=models.SET_NULL, related_name="batch_jobs"
    )
    version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.SET_NULL, related_name="batch_jobs"
    )
    model_name = models.CharField(_("model"), max_length=100)
    version_name = models.CharField(_("version"), max_length=64)
    state = models.CharField(
        _("state"), max_length=16, choices=JobState.choices, default=JobState.QUEUED
    )
    priority = models.SmallIntegerField(
        _("priority"), choices=Priority.choices, default=Priority.NORMAL
    )

    upload = models.ForeignKey(
        Upload, null=True, blank=True, on_delete=models.SET_NULL, related_name="batch_jobs"
    )
    prefix = models.CharField(_("prefix"), max_length=500, blank=True)
    input_name = models.CharField(_("input"), max_length=500)
    input_size = models.BigIntegerField(null=True)
    input_form = models.CharField(max_length=16, blank=True)  # as found
    output_format = models.CharField(
        _("output format"), max_length=8, choices=OutputFormat.choices, default=OutputFormat.JSONL
    )
    options = models.JSONField(_("options"), default=dict)
    plan = models.JSONField(default=dict)
    report = models.JSONField(default=dict)  # of the sample that was tried first

    total = models.BigIntegerField(_("rows"), null=True)
    done = models.BigIntegerField(_("done"), default=0)
    failed = models.BigIntegerField(_("failed"), default=0)
    chunks = models.IntegerField(default=0)
    chunks_done = models.IntegerField(default=0)
    planned = models.BooleanField(default=False)  # every chunk is written down
    seconds = models.FloatField(default=0.0)  # that workers spent on its chunks

    reason_message = models.TextField(blank=True)
    reason_values = models.JSONField(default=dict)
    output = models.JSONField(default=dict)  # what it is: key, size, sums
    errors = models.JSONField(default=list)  # the first of the rows that failed

    owner = models.CharField(max_length=64, db_index=True)  # the principal's id
    created_by = models.CharField(_("created by"), max_length=150)
    person = models.CharField(max_length=150, blank=True)  # whom its end is told to
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - unique but for none
    fingerprint = models.CharField(max_length=64, blank=True)
    cloned_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="clones"
    )
    schedule = models.ForeignKey(
        "BatchSchedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )

    request_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    traceparent = models.CharField(max_length=55, blank=True, default="", db_default="")

    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    progress_at = models.DateTimeField(null=True)  # when a chunk was last done
    paced_at = models.DateTimeField(null=True)  # since when its rate is counted,
    paced_rows = models.BigIntegerField(default=0)  # and from how many rows on
    served_at = models.DateTimeField(null=True)  # when a worker last took a chunk of it
    stalled_at = models.DateTimeField(null=True)  # when it was told that nothing happens
    expires_at = models.DateTimeField(null=True)  # when input and output go
    cleared = models.BooleanField(default=False)  # they are gone

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(fields=("owner", "idempotency_key"), name="batch_job_once"),
        ]
        indexes = [
            models.Index(fields=("state", "team"), name="batch_job_active"),
            models.Index(fields=("team", "id"), name="batch_job_of_team"),
            models.Index(fields=("cleared", "expires_at"), name="batch_job_expiry"),
            # All that lists show, filter and order by: rows are large, and most are not shown.
            models.Index(
                fields=(
                    *("team", "state", "model_name", "version_name", "created_by", "owner"),
                    *("schedule", "finished_at", "created_at"),
                ),
                name="batch_job_listed",
            ),
            models.Index(
                fields=("input_name", "model_name", "team", "state", "owner"),
                name="batch_job_searched",
            ),
            models.Index(fields=("team", "served_at"), name="batch_job_served"),
        ]
        verbose_name = _("batch job")
        verbose_name_plural = _("batch jobs")

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    @property
    def has_input(self) -> bool:
        """Whether what it computed from, and its model, are still there: it can run again."""
        return (
            self.model_id is not None and not self.cleared and bool(self.upload_id or self.prefix)
        )

    @property
    def reason(self) -> str:
        """Why it failed, in the reader's language; empty when it did not."""
        if not self.reason_message:
            return ""
        message = gettext(self.reason_message)
        return message % self.reason_values if self.reason_values else message


class BatchChunk(Leased):
    """Rows `first` to `first + rows` of a job's input, and the part that was made of them.

    `place` says where they lie (`inference.batch.rows.Place.where`). `redo` means that only the
    rows of its part that have an error are to be computed.
    """

    class States(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"

    job = models.ForeignKey(BatchJob, on_delete=models.CASCADE, related_name="chunk_rows")
    number = models.IntegerField()
    first = models.BigIntegerField()
    rows = models.IntegerField()
    kind = models.CharField(max_length=16)
    where = models.JSONField()
    state = models.CharField(max_length=8, choices=States.choices, default=States.WAITING)
    not_before = models.DateTimeField()
    redo = models.BooleanField(default=False)
    failed = models.IntegerField(default=0)
    part = models.JSONField(default=dict)  # see inference.batch.outputs.Part
    seconds = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("job", "number"), name="batch_chunk_unique"),
        ]
        indexes = [
            models.Index(fields=("job", "state", "number"), name="batch_chunk_next"),
            models.Index(fields=("state", "lease_expires_at"), name="batch_chunk_lease"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"
