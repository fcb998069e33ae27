"""The list's name. Nothing in the database changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0019_credit_note_accounts"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="migrationitem",
            options={
                "ordering": ["migration", "id"],
                "verbose_name": "customer in a migration",
                "verbose_name_plural": "customers in migrations",
            },
        ),
    ]
