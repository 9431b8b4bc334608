"""Which request asked for a batch job; code that does not know the column leaves it empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0005_traces_of_batch_jobs")]

    operations = [
        migrations.AddField(
            model_name="batchjob",
            name="request_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
