"""Room for a reference as long as banks write one. PostgreSQL neither rewrites the table nor its index for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0022_never_charged"),
    ]

    operations = [
        migrations.AlterField(
            model_name="payment",
            name="reference",
            field=models.CharField(blank=True, max_length=500),
        ),
    ]
