"""Which request caused a delivery; code that does not know the column leaves it empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ops", "0004_delivery_leases")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="request_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
