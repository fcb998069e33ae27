"""Where the keys of events, the rollups of meters and the reversals of events are kept."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import core.clock
import core.db
import core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("entitlements", "0002_entitlements"),
    ]

    operations = [
        migrations.CreateModel(
            name="EventReversal",
            fields=[
                ("id", core.db.ULIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(default=core.clock.now, editable=False)),
                ("updated_at", core.db.UpdatedAtField(default=core.clock.now, editable=False)),
                ("event_id", core.db.ULIDField(unique=True)),
                ("source", models.CharField(max_length=256)),
                ("external_id", models.CharField(max_length=256)),
                ("type", models.CharField(max_length=256)),
                ("subject", models.CharField(max_length=256)),
                ("time", models.DateTimeField()),
                ("reason", models.CharField(max_length=1024)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="MeterRollup",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                (
                    "paths",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("watermark", models.BigIntegerField()),
                ("built_to", models.DateTimeField(null=True)),
                ("whole_at", models.DateTimeField(null=True)),
                ("dropped_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="UsageEventKey",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "source", "event_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("source", models.CharField(max_length=256)),
                ("event_id", models.CharField(max_length=256)),
                ("stored_as", core.db.ULIDField()),
                ("time", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="UsageRollup",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "rollup",
                        "subject",
                        "grain",
                        "start",
                        "groups_key",
                        "value_key",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("rollup", models.IntegerField(db_column="rollup_id")),
                ("subject", models.CharField(max_length=256)),
                ("grain", models.SmallIntegerField()),
                ("start", models.DateTimeField()),
                ("groups_key", models.UUIDField()),
                ("value_key", models.UUIDField()),
                ("groups", models.JSONField(null=True)),
                ("events", models.BigIntegerField()),
                ("unreadable", models.BigIntegerField()),
                ("sum", core.db.AmountField(decimal_places=12, max_digits=30, null=True)),
                ("min", core.db.AmountField(decimal_places=12, max_digits=30, null=True)),
                ("max", core.db.AmountField(decimal_places=12, max_digits=30, null=True)),
                ("latest", core.db.AmountField(decimal_places=12, max_digits=30, null=True)),
                ("latest_at", models.DateTimeField(null=True)),
                ("latest_id", core.db.ULIDField(null=True)),
                ("first_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                ("for_thresholds", models.BooleanField(db_default=False)),
                ("for_late_usage", models.BooleanField(db_default=False)),
            ],
        ),
        migrations.AddIndex(
            model_name="eventreversal",
            index=models.Index(fields=["subject", "type", "time"], name="reversal_by_subject"),
        ),
        migrations.AddField(
            model_name="meterrollup",
            name="meter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="rollups", to="entitlements.meter"
            ),
        ),
        migrations.AddIndex(
            model_name="usageeventkey",
            index=django.contrib.postgres.indexes.BrinIndex(fields=["time"], name="event_key_by_time"),
        ),
        migrations.AddIndex(
            model_name="usagerollup",
            index=models.Index(
                condition=models.Q(("for_thresholds", True)),
                fields=["rollup", "subject", "start"],
                name="rollup_for_thresholds",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerollup",
            index=models.Index(
                condition=models.Q(("for_late_usage", True)),
                fields=["rollup", "subject", "start"],
                name="rollup_for_late_usage",
            ),
        ),
    ]
