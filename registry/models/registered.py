"""Registered models: a name under which versions are published."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.models.teams import Team
from registry.models.trash import Trashable


class Task(models.TextChoices):
    IMAGE_CLASSIFICATION = "image-classification", _("image classification")
    TEXT_CLASSIFICATION = "text-classification", _("text classification")
    TEXT_EMBEDDING = "text-embedding", _("text embedding")
    TENSOR = "tensor", _("tensor")


class Precision(models.TextChoices):
    EXACT = "exact", _("exact")
    FAST = "fast", _("fast")
    INT8 = "int8", _("int8")


class RegisteredModel(Trashable):
    """`name_key` is the name in lower case: unique on every database whatever its collation.

    A model in the trash keeps its name. Moving one of the `protected_aliases` needs an approval.
    """

    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="models", verbose_name=_("team")
    )
    name = models.CharField(_("name"), max_length=100)
    name_key = models.CharField(max_length=100, unique=True, editable=False)
    task = models.CharField(
        _("task"), max_length=32, choices=Task.choices, default=Task.IMAGE_CLASSIFICATION
    )
    description = models.TextField(_("description"), blank=True)
    card = models.TextField(_("card"), blank=True)
    precision = models.CharField(
        _("precision"), max_length=8, choices=Precision.choices, default=Precision.FAST
    )
    pool = models.CharField(
        _("pool"),
        max_length=64,
        blank=True,
        help_text=_("The replicas that serve this model; empty for the common ones."),
    )
    serving = models.JSONField(default=dict, blank=True)  # see registry.serving
    protected_aliases = models.JSONField(_("protected aliases"), default=list, blank=True)
    shared = models.BooleanField(
        _("shared"), default=False, help_text=_("Every signed-in user may see and call it.")
    )
    created_by = models.CharField(_("created by"), max_length=150, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        ordering = ("name_key",)
        verbose_name = _("model")
        verbose_name_plural = _("models")

    def __str__(self) -> str:
        return self.name


class ModelTag(models.Model):
    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="tag_rows")
    name = models.CharField(max_length=64, db_index=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=("model", "name"), name="tag_unique")]

    def __str__(self) -> str:
        return self.name
