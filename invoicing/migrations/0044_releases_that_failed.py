"""A release by a worker counts apart the tries at which the database went away. A column with a default: no rewrite."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0043_news")]

    operations = [
        migrations.AddField(
            model_name="parkedcustomer",
            name="release_failed",
            field=models.PositiveSmallIntegerField(default=0, db_default=0),
        ),
    ]
