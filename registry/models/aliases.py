"""Aliases: names such as `production` that point at one version of a model."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.registered import RegisteredModel
from registry.models.versions import ModelVersion


class Alias(models.Model):
    model = models.ForeignKey(
        RegisteredModel, on_delete=models.CASCADE, related_name="aliases", verbose_name=_("model")
    )
    name = models.CharField(_("name"), max_length=64)
    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="aliases", verbose_name=_("version")
    )
    comment = models.TextField(_("comment"), blank=True)
    updated_by = models.CharField(_("updated by"), max_length=150, blank=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=("model", "name"), name="alias_unique")]
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")

    def __str__(self) -> str:
        return self.name
