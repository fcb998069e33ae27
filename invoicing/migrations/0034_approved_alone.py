"""Profile migrations know whether one person alone stands behind them: that person's limits hold when they run, too."""

from django.db import migrations, models

# Of one that its author approved nothing says any more whether that was a program that acts alone, so it is taken for one
# person's. At worst a customer stays where they are, with the cause.
_BY_ITS_AUTHOR = """
    UPDATE invoicing_profilemigration SET approved_alone = true
    WHERE approver = author AND approver <> '' AND approver NOT LIKE 'system%%'
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0033_indexes_that_others_begin_with")]

    operations = [
        migrations.AddField(
            model_name="profilemigration",
            name="approved_alone",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.RunSQL(_BY_ITS_AUTHOR, migrations.RunSQL.noop),
    ]
