"""A subject's usage is a customer's from a time on: for one that another had before, from when that one gave it up."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0006_uncollectible_after_dunning")]

    operations = [
        migrations.AddField(
            model_name="usagesubject",
            name="active_from",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunSQL(
            """
            UPDATE customers_usagesubject AS later
            SET active_from = (
                SELECT max(earlier.deleted_at) FROM customers_usagesubject AS earlier
                WHERE earlier.key = later.key AND earlier.id < later.id
            )
            WHERE EXISTS (
                SELECT 1 FROM customers_usagesubject AS earlier
                WHERE earlier.key = later.key AND earlier.id < later.id AND earlier.deleted_at IS NOT NULL
            )
            """,
            migrations.RunSQL.noop,
        ),
    ]
