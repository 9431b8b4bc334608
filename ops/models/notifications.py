"""Webhooks, and the outbox: what is to be sent, what was, and how that went."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models import Leased, Team


class Webhook(models.Model):
    """Where a team's events are sent; of every team's where it has none.

    The secret that signs is not kept: it is derived from `salt` and the key of the hub that
    `key_id` names, the present one where it is empty.
    """

    team = models.ForeignKey(
        Team, null=True, on_delete=models.CASCADE, related_name="webhooks", verbose_name=_("team")
    )
    name = models.CharField(_("name"), max_length=100)
    url = models.CharField("URL", max_length=1000)
    salt = models.CharField(max_length=64, editable=False)
    key_id = models.CharField(max_length=16, blank=True, db_default="", default="", editable=False)
    events = models.JSONField(_("events"), default=list)
    model_names = models.JSONField(_("models"), default=list)
    active = models.BooleanField(_("active"), default=True)
    disabled_at = models.DateTimeField(null=True, editable=False)  # by the hub, as it only failed
    failing_since = models.DateTimeField(null=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)  # it was slow: left alone so long
    created_by = models.CharField(_("created by"), max_length=150)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ("name", "pk")
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")

    def __str__(self) -> str:
        return self.name


class Delivery(Leased):
    """One message to one receiver, written in the transaction of the event it tells of.

    `body` is exactly what is sent, each time again. A webhook's has its `webhook`; an e-mail has
    its `recipient` and `title`. While it is pending, whoever has its lease sends it. `request_id`
    is that of the call that caused the event.
    """

    class States(models.TextChoices):
        PENDING = "pending", _("pending")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")

    class Errors(models.TextChoices):
        NAME = "name", _("the name of the host cannot be resolved")
        ADDRESS = "address", _("the address is not a public one")
        CONNECTION = "connection", _("nothing answers there")
        TLS = "tls", _("the secure connection failed")
        TIMEOUT = "timeout", _("no answer in time")
        ANSWER = "answer", _("no valid answer")
        STATUS = "status", _("the receiver refused it")
        DISABLED = "disabled", _("the webhook is off")
        MAIL = "mail", _("the mail server refused it")

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(
        Webhook, null=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    recipient = models.EmailField(blank=True)
    title = models.CharField(max_length=255, blank=True)
    event = models.CharField(_("event"), max_length=64)
    body = models.TextField()
    state = models.CharField(
        _("state"), max_length=16, choices=States.choices, default=States.PENDING
    )
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=16, blank=True, choices=Errors.choices)
    error_detail = models.CharField(max_length=500, blank=True)
    response = models.TextField(blank=True)  # its beginning
    duration_ms = models.PositiveIntegerField(null=True)
    request_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    attempted_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    replay_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-pk",)
        indexes = [
            models.Index(fields=("finished_at",), name="delivery_finished"),
            models.Index(fields=("webhook", "state", "next_attempt_at"), name="delivery_due"),
            models.Index(fields=("webhook", "event", "state"), name="delivery_listed"),
            # MariaDB drops the foreign key's own index for any that begins with it.
            models.Index(fields=("webhook", "id"), name="delivery_newest"),
        ]
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")

    def __str__(self) -> str:
        return f"{self.event} {self.uuid}"
