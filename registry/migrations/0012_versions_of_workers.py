"""Workers say which version of the hub they are of."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0011_traces_of_jobs")]

    operations = [
        migrations.AddField(
            model_name="workerheartbeat",
            name="version",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
    ]
