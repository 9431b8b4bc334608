"""What can be thrown away and taken back: out of sight at once, gone for good later."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class LiveManager(models.Manager):
    """Rows that are not in the trash; `everything` has those too."""

    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().filter(deleted_at=None)


class Trashable(models.Model):
    """A row that is in the trash from `deleted_at` on.

    Managers of relations show live rows alone; what spans a join must say so itself.
    """

    deleted_at = models.DateTimeField(
        _("deleted at"), null=True, blank=True, editable=False, db_index=True
    )
    deleted_by = models.CharField(_("deleted by"), max_length=150, blank=True, editable=False)

    objects = LiveManager()
    everything = models.Manager()

    class Meta:
        abstract = True
