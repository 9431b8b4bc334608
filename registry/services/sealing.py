"""Sealing versions: when they become ready, and anew when an operator says so."""

from collections.abc import Iterator

from django.db import transaction
from django.db.models import QuerySet

from registry import manifests
from registry.models import ModelVersion
from registry.models.revision import revision_bump
from registry.models.versions import State


def with_sealed(versions: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    """Versions with the rows that their manifests are made of."""
    return versions.select_related("model").prefetch_related("files__blob", "converted__blob")


def version_seal(pk: int) -> None:
    """Write a version's manifest down and seal it. In the caller's transaction."""
    version = with_sealed(ModelVersion.everything.filter(pk=pk)).get()
    manifest = manifests.manifest_of(version)
    ModelVersion.everything.filter(pk=pk).update(
        manifest=manifest, manifest_signature=manifests.seal(manifest)
    )


def versions_reseal(*, force: bool = False) -> Iterator[tuple[ModelVersion, bool]]:
    """Seal anew each ready version whose seal is not the present key's; yields it and whether that
    was done.

    A record that is not what its manifest says is sealed with `force` alone: somebody must have
    looked at it.
    """
    ready = ModelVersion.everything.filter(state=State.READY).order_by("pk")
    for version in with_sealed(ready).iterator(chunk_size=200):
        if manifests.is_present(version) and manifests.is_intact(version):
            continue
        same = not version.manifest or version.manifest == manifests.manifest_of(version)
        if same or force:
            with transaction.atomic():
                version_seal(version.pk)
                revision_bump()
        yield version, same or force
