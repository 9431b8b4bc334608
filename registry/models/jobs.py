"""Background work: the table that owns it, and the heartbeats of those who do it."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Leased(models.Model):
    """Work that whoever holds its lease does: `lease_owner`, until `lease_expires_at`."""

    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("heartbeat"), null=True, blank=True)

    class Meta:
        abstract = True


class Job(Leased):
    """One piece of work. A message in the broker is only a hint that this table has work.

    Every write of a result is conditional on still holding the lease.
    """

    class States(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")

    kind = models.CharField(_("kind"), max_length=32)
    subject_id = models.BigIntegerField()
    state = models.CharField(
        _("state"), max_length=16, choices=States.choices, default=States.QUEUED
    )
    priority = models.SmallIntegerField(default=0)
    not_before = models.DateTimeField()
    error = models.TextField(_("error"), blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    traceparent = models.CharField(max_length=55, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("kind", "subject_id"), name="job_unique")]
        indexes = [
            models.Index(fields=("state", "kind", "priority", "not_before"), name="job_open"),
        ]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"


class WorkerHeartbeat(models.Model):
    """A worker that served a queue, of a `version` of the hub, and was alive at `at`."""

    name = models.CharField(max_length=150)
    queue = models.CharField(max_length=32, default="celery")
    version = models.CharField(max_length=32, blank=True, default="", db_default="")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("name", "queue"), name="heartbeat_unique")]

    def __str__(self) -> str:
        return self.name
