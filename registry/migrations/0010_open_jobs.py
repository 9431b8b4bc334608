"""What workers take is found by its state and its kind, however many jobs are over."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0009_worker_queues"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="job", name="job_claim"),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["state", "kind", "priority", "not_before"], name="job_open"),
        ),
    ]
