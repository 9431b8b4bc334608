"""The history of every alias begins with where it points when histories are introduced."""

from typing import Any

from django.db import migrations


def begin(apps: Any, schema_editor: Any) -> None:
    """One move for every alias that has none."""
    moves = apps.get_model("registry", "AliasMove")
    aliases = apps.get_model("registry", "Alias").objects.select_related("version")
    known = set(moves.objects.values_list("model_id", "alias"))
    rows = (
        moves(
            model_id=alias.model_id,
            alias=alias.name,
            kind="move",
            to_version=alias.version,
            to_text=alias.version.version,
            comment=alias.comment,
            actor="system",
            actor_name=alias.updated_by or "system",
            at=alias.updated_at,
        )
        for alias in aliases.order_by("pk").iterator()
        if (alias.model_id, alias.name) not in known
    )
    moves.objects.bulk_create(rows, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("registry", "0005_seals")]
    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
