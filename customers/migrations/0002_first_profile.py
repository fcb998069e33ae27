"""A new installation can bill at once: a sandbox app, a supplier, and a default profile on them (architecture page)."""

from django.db import migrations


def create_first_profile(apps, schema_editor):
    BillingApp = apps.get_model("customers", "BillingApp")
    BillingProfile = apps.get_model("customers", "BillingProfile")
    Supplier = apps.get_model("customers", "Supplier")
    if BillingProfile.objects.filter(is_default=True).exists():
        return
    app = BillingApp.objects.create(type="sandbox", name="Sandbox")
    supplier = Supplier.objects.create(
        key="main", name="My company", country="US", invoice_prefix="INV", credit_note_prefix="CN"
    )
    BillingProfile.objects.create(name="Default", supplier=supplier, app=app, is_default=True)


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_initial")]
    operations = [migrations.RunPython(create_first_profile, migrations.RunPython.noop)]
