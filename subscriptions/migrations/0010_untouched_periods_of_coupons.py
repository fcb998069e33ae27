"""Let redemptions of coupons know the billed time in which they had nothing to take off."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0009_usage_splits"),
    ]

    operations = [
        migrations.AddField(
            model_name="couponredemption",
            name="untouched",
            field=models.JSONField(blank=True, default=list, editable=False),
        ),
    ]
