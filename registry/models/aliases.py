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


class AliasMove(models.Model):
    """One move of an alias, kept for good: who, when, why, from where and to where.

    `before` is the move that a rollback from here leads back to. `to_version` is None where the
    alias was removed; the texts outlive versions that were deleted for good. Moments of one
    alias grow strictly, whatever the clock does.
    """

    class Kinds(models.TextChoices):
        MOVE = "move", _("move")
        ROLLBACK = "rollback", _("rollback")
        REMOVAL = "removal", _("removal")

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="alias_moves")
    alias = models.CharField(max_length=64)
    kind = models.CharField(max_length=8, choices=Kinds.choices, default=Kinds.MOVE)
    from_version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    from_text = models.CharField(max_length=64, blank=True)
    to_version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    to_text = models.CharField(max_length=64, blank=True)
    before = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    comment = models.TextField(blank=True)
    actor = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("model", "alias", "at"), name="alias_move_at")]

    def __str__(self) -> str:
        return f"{self.alias}: {self.from_text or '-'} → {self.to_text or '-'}"


class Approval(models.Model):
    """A request to move a protected alias, and what an owner other than the requester decided.

    `from_text` is where the alias pointed when it was asked for. `requested_for` is the user
    behind the requester: whoever made the API key that asked.
    """

    class States(models.TextChoices):
        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        CANCELLED = "cancelled", _("cancelled")

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="approvals")
    alias = models.CharField(max_length=64)
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="approvals")
    from_text = models.CharField(max_length=64, blank=True)
    comment = models.TextField(blank=True)
    allow_incompatible = models.BooleanField(default=False)
    state = models.CharField(
        max_length=10, choices=States.choices, default=States.PENDING, db_index=True
    )
    requested_by = models.CharField(max_length=64)
    requested_by_name = models.CharField(max_length=150)
    requested_for = models.CharField(max_length=150, blank=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.CharField(max_length=64, blank=True)
    decided_by_name = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.TextField(blank=True)

    class Meta:
        ordering = ("-requested_at", "-pk")

    def __str__(self) -> str:
        return f"{self.model} {self.alias} → {self.version.version}"
