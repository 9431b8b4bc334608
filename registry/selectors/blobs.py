"""Reads: content."""

from django.db.models import Exists, ManyToOneRel, OuterRef, QuerySet

from registry.models import Blob


def blobs_unreferenced() -> QuerySet[Blob]:
    """Content that no row of any table refers to, tables of other apps included."""
    blobs = Blob.objects.all()
    for relation in Blob._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel):
            rows = relation.related_model._base_manager
            mine = rows.filter(**{relation.field.name: OuterRef("pk")})
            blobs = blobs.exclude(Exists(mine))
    return blobs
