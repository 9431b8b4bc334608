"""API keys."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models import Team


class ApiKey(models.Model):
    """A key for an application. Only the SHA-256 of the secret is kept; it is shown once."""

    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, related_name="api_keys", verbose_name=_("team")
    )
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    actions = models.JSONField(_("actions"), default=list)
    model_names = models.JSONField(_("models"), default=list, blank=True)
    created_by = models.CharField(_("created by"), max_length=150, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ("team", "name")
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
