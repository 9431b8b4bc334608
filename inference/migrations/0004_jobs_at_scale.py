"""Lists, claims and sweeps of jobs read indexes, and of those what they look for alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0003_batch_schedules"),
        ("registry", "0009_worker_queues"),
    ]

    operations = [
        # MariaDB needs an index of the foreign key at every moment: the new one comes first.
        migrations.AddIndex(
            model_name="batchchunk",
            index=models.Index(fields=["job", "state", "number"], name="batch_chunk_next"),
        ),
        migrations.RemoveIndex(model_name="batchchunk", name="batch_chunk_waiting"),
        migrations.RemoveIndex(model_name="batchjob", name="batch_job_expiry"),
        migrations.AddIndex(
            model_name="batchjob",
            index=models.Index(fields=["cleared", "expires_at"], name="batch_job_expiry"),
        ),
        migrations.AddIndex(
            model_name="batchjob",
            index=models.Index(
                fields=[
                    "team",
                    "state",
                    "model_name",
                    "version_name",
                    "created_by",
                    "owner",
                    "schedule",
                    "finished_at",
                    "created_at",
                ],
                name="batch_job_listed",
            ),
        ),
        migrations.AddIndex(
            model_name="batchjob",
            index=models.Index(
                fields=["input_name", "model_name", "team", "state", "owner"],
                name="batch_job_searched",
            ),
        ),
        migrations.AddIndex(
            model_name="batchjob",
            index=models.Index(fields=["team", "served_at"], name="batch_job_served"),
        ),
    ]
