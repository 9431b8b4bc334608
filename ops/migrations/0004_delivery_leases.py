"""Deliveries have leases of their own: what the job table had of them is not needed any more."""

from typing import Any

from django.db import migrations, models


def jobs_remove(apps: Any, schema_editor: Any) -> None:
    apps.get_model("registry", "Job").objects.filter(kind="notify").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("ops", "0003_notifications"),
        ("registry", "0009_worker_queues"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="heartbeat_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="heartbeat"),
        ),
        migrations.AddField(
            model_name="delivery",
            name="lease_expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="lease_owner",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["webhook", "state", "next_attempt_at"], name="delivery_due"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["webhook", "event", "state"], name="delivery_listed"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["webhook", "id"], name="delivery_newest"),
        ),
        migrations.RunPython(jobs_remove, migrations.RunPython.noop),
    ]
