"""Who made a piece of work may be traced: whoever does it continues that trace."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0004_jobs_at_scale"),
    ]

    operations = [
        migrations.AddField(
            model_name="batchjob",
            name="traceparent",
            field=models.CharField(blank=True, db_default="", default="", max_length=55),
        ),
    ]
