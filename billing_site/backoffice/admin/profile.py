"""The billing profile's page with what only the floors above know: making it the default."""

from typing import Any

from django.http import HttpRequest

from billing_site.backoffice.admin.profile_pages import ProfilePages
from core.admin.registry import page_of
from core.admin.verbs import Answers, Review, Verb
from core.admin.words import counted
from customers.admin.profile import BillingProfileAdmin
from customers.models import BillingProfile
from customers.services.profile_input import ProfileInput
from customers.services.supplier_input import SupplierInput
from customers.settings_layers import WORKFLOW_FIELDS
from invoicing.admin.profile_moves.default_review import default_review
from invoicing.profile_moves.delete_profile import delete_profile
from invoicing.profile_moves.make_default_profile import make_default_profile
from invoicing.profile_moves.save_profile import create_profile, update_profile


class MakeDefault(Verb[BillingProfile]):
    slug = "make-default"
    label = "Make default"
    permission = "customers.make_default_billingprofile"
    tone = "primary"

    def asks(self, profile: BillingProfile) -> str:
        return f"Is “{profile}” to be the default profile?"

    def consequences(self, profile: BillingProfile) -> list[str]:
        return [
            "Customers without a pin follow it from their next invoice on, and so do new ones.",
            "Whoever has a subscription that is yet to be billed and would change their billing app or supplier is "
            "pinned to the old default, so nothing changes for them.",
            "Drafts and issued invoices keep the terms that they were made with.",
        ]

    def review(self, request: HttpRequest, profile: BillingProfile, answers: Answers) -> Review:
        return default_review(profile)

    def why_not(self, request: HttpRequest, profile: BillingProfile) -> str:
        if profile.is_default:
            return "It is the default already."
        return "It is archived: use it again first." if profile.archived_at else ""

    def perform(self, request: HttpRequest, profile: BillingProfile, answers: Answers) -> str:
        pinned = make_default_profile(profile=profile, reason=answers["reason"])
        kept = f" {counted(pinned, 'customer was', 'customers were')} pinned to the old default." if pinned else ""
        return f"“{profile}” is the default profile now.{kept}"


@page_of(BillingProfile)
class ProfilePage(ProfilePages):
    verbs = (MakeDefault(), *BillingProfileAdmin.verbs)

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = form.cleaned_data
        said = ProfileInput(
            name=values["name"],
            description=values["description"],
            metadata=obj.metadata,
            supplier=SupplierInput(id=values["supplier"].pk),
            default=obj.is_default,
            workflow={name: values[name] for name in WORKFLOW_FIELDS},
            apps=None if change else (values["app"].pk,),
        )
        if change:
            update_profile(profile=obj, replacement=said)
        else:
            obj.pk = create_profile(profile=said).pk

    def delete_model(self, request: HttpRequest, obj: BillingProfile) -> None:
        delete_profile(profile=obj)
