"""Teams own models; memberships say who may do what in them."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from aihub.access import Role

DEFAULT_TEAM = "default"


class Team(models.Model):
    name = models.SlugField(_("name"), max_length=64, unique=True)
    description = models.TextField(_("description"), blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ("name",)
        verbose_name = _("team")
        verbose_name_plural = _("teams")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    class Roles(models.TextChoices):
        VIEWER = Role.VIEWER, _("viewer")
        DEVELOPER = Role.DEVELOPER, _("developer")
        OWNER = Role.OWNER, _("owner")

    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("team")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="memberships",
        verbose_name=_("user"),
    )
    role = models.CharField(_("role"), max_length=16, choices=Roles.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("team", "user"), name="membership_unique"),
        ]
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.role}"
