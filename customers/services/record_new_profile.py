"""Adding a billing profile."""

from django.db import transaction

from core.audit.services.record import record
from customers.models import BillingProfile
from customers.services.profile_input import ProfileInput, the_app, whole_workflow
from customers.services.save_supplier import match_or_create_supplier


@transaction.atomic
def record_new_profile(*, profile: ProfileInput) -> BillingProfile:
    """Store a new profile, with the supplier that its data mean. It is not the default yet: the floors above switch it.

    Raises `InvalidInput` naming every field at fault, and Conflict for a supplier that is known otherwise.
    """
    values = whole_workflow(profile.workflow)
    app = the_app(profile.apps)
    supplier = match_or_create_supplier(supplier=profile.supplier)
    created = BillingProfile.objects.create(
        name=profile.name,
        description=profile.description,
        metadata=dict(profile.metadata),
        supplier=supplier,
        app=app,
        **values,
    )
    record(verb="billingprofile.created", target=created, did=f"created billing profile {created}")
    return created
