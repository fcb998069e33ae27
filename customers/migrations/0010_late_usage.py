"""Profiles and overrides say what becomes of usage that comes late. A column with a default: no rewrite."""

from django.db import migrations, models

CHOICES = [("bill", "Billed on the next invoice"), ("ask", "Waits for a decision")]


class Migration(migrations.Migration):
    dependencies = [("customers", "0009_lists_at_size")]

    operations = [
        migrations.AddField(
            model_name="billingprofile",
            name="late_usage",
            field=models.CharField(choices=CHOICES, default="bill", db_default="bill", max_length=8),
        ),
        migrations.AddField(
            model_name="customeroverride",
            name="late_usage",
            field=models.CharField(blank=True, choices=CHOICES, max_length=8, null=True),
        ),
    ]
