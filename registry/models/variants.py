"""Variants: one version compiled for one runtime and precision, as measured on one processor."""

from django.db import models
from django.utils.translation import gettext, gettext_lazy as _

from registry.models.blobs import Blob
from registry.models.registered import RegisteredModel
from registry.models.versions import ModelVersion


class Variant(models.Model):
    """A row of a version's table of variants. `cpu` is the kind of processor it was measured on.

    `blob` is the derived file that it loads; without one it loads the version's own files.
    `agreement` is the share of `decided` inputs on which it agrees with the reference,
    `max_difference` the largest absolute one over all `inputs`, which came from `inputs_from`.
    Rates are items a second, `memory` bytes once loaded. A failed one has a reason instead.
    """

    class States(models.TextChoices):
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    class Inputs(models.TextChoices):
        OWNER = "owner", _("the owner's samples")
        PHOTOGRAPHS = "photographs", _("photographs")
        TEXTS = "texts", _("texts")
        MADE_UP = "made-up", _("made up")

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="variants")
    cpu = models.CharField(max_length=16)
    name = models.CharField(_("variant"), max_length=40)
    runtime = models.CharField(_("runtime"), max_length=16)
    precision = models.CharField(_("precision"), max_length=8)
    options = models.JSONField(default=dict, blank=True)
    reference = models.BooleanField(default=False)
    state = models.CharField(_("state"), max_length=8, choices=States.choices)
    reason_message = models.TextField(blank=True)
    reason_values = models.JSONField(default=dict, blank=True)
    blob = models.ForeignKey(
        Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="variants"
    )
    size = models.BigIntegerField(_("size"), default=0)
    memory = models.BigIntegerField(_("memory"), default=0)
    inputs = models.PositiveIntegerField(default=0)
    inputs_from = models.CharField(max_length=12, choices=Inputs.choices, blank=True)
    decided = models.PositiveIntegerField(default=0)
    agreement = models.FloatField(_("agreement"), null=True, blank=True)
    max_difference = models.FloatField(_("largest difference"), null=True, blank=True)
    rate_1 = models.FloatField(null=True, blank=True)
    rate_8 = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-reference", "name")
        constraints = [
            models.UniqueConstraint(fields=("version", "cpu", "name"), name="variant_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.name}"

    @property
    def reason(self) -> str:
        """Why it failed, in the reader's language; empty where it did not."""
        message = gettext(self.reason_message) if self.reason_message else ""
        return message % self.reason_values if self.reason_values else message


class Sample(models.Model):
    """A file of real inputs that an owner attached to a model: pictures, lines, or arrays.

    `items` is how many inputs it holds.
    """

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="samples")
    name = models.CharField(max_length=200)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="samples")
    items = models.PositiveIntegerField()
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=("model", "name"), name="sample_unique")]

    def __str__(self) -> str:
        return f"{self.model} {self.name}"
