"""Webhooks remember which key of the hub their secret was derived from: until now the present one."""

from typing import Any

from django.db import migrations, models

from ops.notifications.signing import key_id


def key_remember(apps: Any, schema_editor: Any) -> None:
    apps.get_model("ops", "Webhook").objects.filter(key_id="").update(key_id=key_id())


class Migration(migrations.Migration):
    dependencies = [("ops", "0005_delivery_request_id")]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="key_id",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=16
            ),
        ),
        migrations.RunPython(key_remember, migrations.RunPython.noop),
    ]
