"""Versions that became ready before manifests were sealed get theirs."""

from typing import Any

from django.db import migrations

from registry import manifests


def seal(apps: Any, schema_editor: Any) -> None:
    versions = apps.get_model("registry", "ModelVersion").objects
    ready = versions.filter(state="ready", manifest_signature="").select_related("model")
    rows = ready.prefetch_related("files__blob", "converted__blob")
    for version in rows.order_by("pk").iterator(chunk_size=200):
        manifest = manifests.manifest_of(version)
        versions.filter(pk=version.pk).update(
            manifest=manifest, manifest_signature=manifests.seal(manifest)
        )


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_registry_that_owners_trust")]

    operations = [migrations.RunPython(seal, migrations.RunPython.noop)]
