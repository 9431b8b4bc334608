"""What searches look at: rows for versions that were there before, and indexes for large lists."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from registry.searching import rows

AT_ONCE = 500


def fill(apps: Any, schema_editor: Any) -> None:
    """Text, metrics and labels of every version as rows."""
    versions = apps.get_model("registry", "ModelVersion").objects.order_by("pk")
    last = 0
    while batch := list(versions.filter(pk__gt=last).select_related("model")[:AT_ONCE]):
        last = batch[-1].pk
        fill_text(apps, batch)
        fill_metrics(apps, batch)
        fill_labels(apps, batch)


def fill_text(apps: Any, batch: list[Any]) -> None:
    texts = apps.get_model("registry", "VersionText")
    made = []
    for version in batch:
        parts = (version.model.name, version.version, version.architecture, version.description)
        made.append(texts(version=version, text=rows.version_text(*parts)))
    texts.objects.bulk_create(made, ignore_conflicts=True)


def fill_metrics(apps: Any, batch: list[Any]) -> None:
    metrics = apps.get_model("registry", "VersionMetric")
    made = [
        metrics(version=version, name=name, value=value)
        for version in batch
        for name, value in rows.metric_numbers(version.metrics).items()
    ]
    metrics.objects.bulk_create(made, batch_size=1000, ignore_conflicts=True)


def fill_labels(apps: Any, batch: list[Any]) -> None:
    sets, labels = apps.get_model("registry", "LabelSet"), apps.get_model("registry", "Label")
    for version in batch:
        if version.labels and version.label_set_id is None:
            digest = rows.labels_digest(version.labels)
            version.label_set, created = sets.objects.get_or_create(digest=digest)
            if created:
                found = rows.label_texts(version.labels)
                made = [labels(label_set=version.label_set, text=text) for text in found]
                labels.objects.bulk_create(made, batch_size=1000)
            version.save(update_fields=["label_set"])


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0006_history_begins"),
    ]

    operations = [
        migrations.CreateModel(
            name="VersionText",
            fields=[
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="registry.modelversion",
                    ),
                ),
                ("text", models.BinaryField()),
            ],
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(
                fields=[
                    "deleted_at",
                    "id",
                    "model",
                    "state",
                    "format",
                    "size",
                    "created_by",
                    "label_set",
                ],
                name="version_newest",
            ),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(
                fields=["deleted_at", "created_at", "model"], name="version_created"
            ),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["deleted_at", "size", "model"], name="version_size"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
