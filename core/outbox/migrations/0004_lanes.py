from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The index is made without stopping those who write meanwhile.
    atomic = False

    dependencies = [
        ("outbox", "0003_notice"),
    ]

    operations = [
        migrations.AddField(
            model_name="outboxmessage",
            name="lane",
            field=models.UUIDField(null=True),
        ),
        AddIndexConcurrently(
            model_name="outboxmessage",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["topic", "due_at"], name="outbox_topic_due"
            ),
        ),
    ]
