"""Replicas say which version of the hub they are of."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0006_batch_request_id")]

    operations = [
        migrations.AddField(
            model_name="replica",
            name="version",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
    ]
