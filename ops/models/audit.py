"""The audit trail."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models import Team


class AuditEvent(models.Model):
    """Who changed what, when; written in the transaction of the change, never edited."""

    at = models.DateTimeField(_("at"), auto_now_add=True, db_index=True)
    actor = models.CharField(_("actor"), max_length=64)
    actor_name = models.CharField(_("who"), max_length=150)
    action = models.CharField(_("action"), max_length=64, db_index=True)
    subject = models.CharField(_("subject"), max_length=255, db_index=True)
    team = models.ForeignKey(
        Team, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("team")
    )
    data = models.JSONField(_("data"), default=dict)
    request_id = models.CharField(_("request id"), max_length=64, blank=True)
    address = models.CharField(_("address"), max_length=45, blank=True)

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
