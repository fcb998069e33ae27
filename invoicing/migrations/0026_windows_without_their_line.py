"""A window names its invoice, and no longer one line."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0025_fill_window_references"),
    ]

    operations = [
        migrations.RemoveField(model_name="billedwindow", name="line"),
        migrations.AddConstraint(
            model_name="billedwindow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("invoice__isnull", False), ("kind", "charge")),
                    models.Q(("kind", "charge"), _negated=True),
                    _connector="OR",
                ),
                name="charged_window_names_its_invoice",
            ),
        ),
    ]
