"""The suppliers, apps and billing profiles of the demo company."""

from dataclasses import dataclass

from billing_site.demo.companies import Company
from customers.choices import AppType, CollectionMethod, LateUsage
from customers.effective_settings import default_profile
from customers.models import BillingApp, BillingProfile, Supplier

SUPPLIER_KEY = "brightwater"


@dataclass(frozen=True, slots=True)
class Profiles:
    """`saas` is the default; `enterprise` is reviewed and paid by bank transfer; `japan` has its own supplier."""

    saas: BillingProfile
    enterprise: BillingProfile
    japan: BillingProfile

    def of(self, company: Company) -> BillingProfile | None:
        """The profile that a company is pinned to; None: it follows the default."""
        if company.by_bank_transfer:
            return self.enterprise
        return self.japan if company.place.currency == "JPY" else None


def create_profiles() -> Profiles:
    """Turn the default profile of a new installation into the SaaS one, and put the others beside it."""
    saas = default_profile()
    supplier = saas.supplier
    supplier.key, supplier.name = SUPPLIER_KEY, "Brightwater Data, Inc."
    supplier.country, supplier.state, supplier.city = "US", "NY", "New York"
    supplier.postal_code, supplier.line1 = "10010", "225 Park Avenue South"
    supplier.email, supplier.tax_id = "billing@brightwater.example", "84-1234567"
    supplier.invoice_prefix, supplier.credit_note_prefix = "BW", "BWC"
    supplier.save()
    saas.name, saas.due_after = "SaaS", "P3D"
    saas.description = "Charged automatically when issued."
    saas.save()
    bank = BillingApp.objects.create(type=AppType.BANK_TRANSFER, name="Bank transfer")
    enterprise = BillingProfile.objects.create(
        name="Enterprise",
        description="Reviewed before issue, sent, and paid by bank transfer.",
        supplier=supplier,
        app=bank,
        auto_advance=False,
        collection_method=CollectionMethod.SEND_INVOICE,
        due_after="P30D",
        late_usage=LateUsage.ASK,
    )
    japan = BillingProfile.objects.create(
        name="Japan",
        description="Billed by Brightwater Data K.K., with a day to look at drafts.",
        supplier=Supplier.objects.create(
            key="brightwater-jp",
            name="Brightwater Data K.K.",
            country="JP",
            city="Tokyo",
            postal_code="100-0005",
            line1="1-8-3 Marunouchi, Chiyoda",
            email="billing@brightwater-jp.example",
            invoice_prefix="BWJ",
            credit_note_prefix="BWJC",
        ),
        app=saas.app,
        draft_period="P1D",
        due_after="P14D",
    )
    return Profiles(saas, enterprise, japan)
