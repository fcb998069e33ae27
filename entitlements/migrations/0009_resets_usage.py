from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("entitlements", "0008_threshold_states"),
    ]

    operations = [
        migrations.AddField(
            model_name="entitlement",
            name="resets_usage",
            field=models.BooleanField(default=False),
        ),
    ]
