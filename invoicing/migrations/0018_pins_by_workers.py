"""Lets workers pin who follows a default, with their progress. Shards of other kinds count nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0017_run_author"),
    ]

    operations = [
        migrations.AddField(
            model_name="migrationshard", name="asked", field=models.JSONField(blank=True, default=dict)
        ),
        migrations.AddField(model_name="migrationshard", name="done", field=models.PositiveIntegerField(default=0)),
        migrations.AddField(model_name="migrationshard", name="total", field=models.PositiveIntegerField(default=0)),
        migrations.AlterField(
            model_name="migrationshard",
            name="kind",
            field=models.CharField(choices=[("check", "Check"), ("move", "Move"), ("pin", "Pin")], max_length=8),
        ),
    ]
