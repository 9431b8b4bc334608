"""Who made a piece of work may be traced: whoever does it continues that trace."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0010_open_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="traceparent",
            field=models.CharField(blank=True, db_default="", default="", max_length=55),
        ),
    ]
