"""What people and programs do in the demo company's story, each by the service that does it everywhere else."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from billing_site.demo.calendar import later
from billing_site.demo.catalog import (
    GPU_EVENT,
    WELCOME,
    create_gpu_meter,
    plan_on_sale,
    terms_with_gpu,
    terms_with_sms,
)
from billing_site.demo.companies import Company, Trait
from billing_site.demo.profiles import Profiles
from billing_site.demo.usage import SOURCE, events_found_late, events_of_day
from core import clock
from core.money import round_money
from customers.choices import AppType
from customers.effective_settings import terms_of
from customers.models import Customer, CustomerAppData, CustomerOverride
from customers.services.create_customer import create_customer
from customers.services.customer_input import CustomerInput
from customers.services.record_pin import record_pin
from entitlements.access.create_grant import create_grant
from entitlements.access.grant_input import GrantInput
from entitlements.access.selectors import active_at
from entitlements.features.archive_feature import archive_feature
from entitlements.metering.delete_meter import delete_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.models import Entitlement, Feature, Meter
from invoicing.choices import OPEN_STATUSES, InvoiceStatus
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.edit_draft import DraftChanges, edit_draft
from invoicing.gathering.add_charges import Charge
from invoicing.gathering.split_now import split_now
from invoicing.models import Invoice
from invoicing.payments.record_payment import record_payment
from invoicing.subscription_changes.redeem_coupon import redeem_coupon as redeem
from invoicing.subscription_changes.start_subscription import start_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_report import record_report
from subscriptions.models import Subscription, SubscriptionItem

_PAID_AFTER = timedelta(days=19)
_PAID_LATE_AFTER = timedelta(days=47)


def sign_up(company: Company, profiles: Profiles) -> None:
    """The customer is created and, where finance agreed so, pinned."""
    place = company.place
    customer = create_customer(
        customer=CustomerInput(
            name=company.name,
            key=company.key,
            primary_email=company.email,
            currency=place.currency,
            time_zone=place.zone,
            address={
                "country": place.country,
                "postal_code": place.postal_code,
                "state": place.state,
                "city": place.city,
                "line1": company.street,
            },
        )
    )
    profile = profiles.of(company)
    if profile is not None:
        record_pin(customer=customer, profile=profile, reason=f"{profile.name} terms, as agreed when they signed.")
    if Trait.LONGER_TERM in company.traits:
        CustomerOverride.objects.create(customer=customer, due_after="P14D")
    if Trait.IN_PARTS in company.traits:
        CustomerOverride.objects.update_or_create(customer=customer, defaults={"progressive_billing": True})


def subscribe(company: Company, active_from: datetime, anchor: datetime | None) -> None:
    """The subscription, with the welcome coupon where there is a fee to take it off yet."""
    customer = Customer.objects.get(key=company.key)
    own_terms = None
    if Trait.SMS in company.traits:
        own_terms = terms_with_sms(company.plan, company.place.currency)
    elif Trait.GPU in company.traits:
        own_terms = terms_with_gpu(company.plan, company.place.currency)
    start_subscription(
        customer=customer,
        plan=plan_on_sale(company.plan, company.place.currency) if own_terms is None else None,
        custom_plan=own_terms,
        active_from=active_from,
        billing_anchor=anchor,
        quantities={"seats": Decimal(company.seats)} if company.seats > 1 else None,
    )


def redeem_welcome_coupon(company: Company) -> None:
    """The welcome coupon on the first item, from now on."""
    subscription = Subscription.objects.get(customer__key=company.key)
    redeem(subscription=subscription, running_number=1, code=WELCOME)


def change_seats(company: Company, seats: int, *, align: bool, extend: bool = False) -> None:
    """More or fewer seats."""
    item = SubscriptionItem.objects.get(subscription__customer__key=company.key, key="seats")
    update_item(
        subscription_id=item.subscription_id,
        running_number=item.running_number,
        update=ItemUpdate(product_id=item.key, quantity=Decimal(seats), align=align, extend=extend),
    )


def report_storage(company: Company, gigabytes: Decimal) -> int:
    """The storage used beyond what is included, in the current period. It falls due when that ends, as before."""
    item = SubscriptionItem.objects.select_related("subscription__customer").get(
        subscription__customer__key=company.key, key="storage"
    )
    record_report(item=item, quantity=gigabytes)
    return 0


def grant_calls(company: Company, calls: Decimal, days: int, reason: str) -> int:
    """More API calls than the plan grants, for some days. It makes nothing fall due."""
    now = clock.now()
    entitlement = Entitlement.objects.get(active_at(now), customer__key=company.key, feature_key="api_calls")
    terms = GrantInput(amount=calls, effective_at=now, priority=2, expiration=("DAY", days), max_rollover=calls)
    create_grant(entitlement=entitlement, grant=terms, reason=reason)
    return 0


def send_usage(companies: Iterable[Company]) -> int:
    """The day's events of these companies, in one batch. Usage makes nothing fall due."""
    now = clock.now()
    ingest_events(events=[event for company in companies for event in events_of_day(company, now)])
    return 0


def send_unreadable_usage(company: Company) -> None:
    """Events of the GPU pilot from before there was a meter: nobody checked what they say."""
    now = clock.now()
    events = [
        {
            "id": f"{company.key}-gpu-pilot-{number}",
            "source": SOURCE,
            "type": GPU_EVENT,
            "subject": company.key,
            "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "data": {"hours": "n/a"},
        }
        for number in range(3)
    ]
    ingest_events(events=events)


def send_usage_late(company: Company, used_at: datetime) -> None:
    """A collector that had lost its connection sends what it kept back, of a period that is billed by now."""
    ingest_events(events=events_found_late(company, used_at))


def measure_gpu() -> None:
    create_gpu_meter()


def retire_text_messages() -> None:
    """Product takes the feature and its meter away, though two customers still have them in their own terms."""
    archive_feature(feature=Feature.objects.get(key="sms", archived_at=None))
    delete_meter(meter=Meter.objects.get(key="sms_messages", deleted_at=None))


def set_card(company: Company, outcome: str) -> None:
    """What the sandbox answers when this customer is charged from now on."""
    customer = Customer.objects.get(key=company.key)
    app = terms_of([customer.id])[customer.id].profile.app
    CustomerAppData.objects.update_or_create(customer=customer, app=app, defaults={"data": {"outcome": outcome}})


def approve_drafts(created_before: datetime) -> int:
    """The approver issues the drafts that wait for approval since before then; returns how many."""
    waiting = Invoice.objects.filter(status=InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED, created_at__lt=created_before)
    approved = [approve_invoice(invoice=invoice) for invoice in waiting.order_by("created_at", "id")]
    return len(approved)


def charge_on_draft(company: Company) -> int:
    """The clerk adds a training to the draft that waits for approval, if there is one. It makes nothing fall due."""
    now = clock.now()
    draft = Invoice.objects.filter(status=InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED, customer__key=company.key).first()
    if draft is not None:
        training = Charge(
            name="Training for new colleagues, 2 days",
            start=later(now, days=-2),
            end=now,
            invoice_at=now,
            price={"type": "flat", "amount": "2400.00", "paymentTerm": "in_arrears"},
        )
        edit_draft(invoice=draft, changes=DraftChanges(added=[training]), reason="Held last week, as ordered")
    return 0


def split_usage(company: Company) -> None:
    """What the company has used of its running period is billed, if there is anything."""
    customer = Customer.objects.get(key=company.key)
    if split_now(customer=customer, preview=True).invoices:
        split_now(customer=customer)


def book_transfers(payers: dict[str, Company], stopped_since: datetime) -> int:
    """The clerk books what the bank statement of the day shows; returns how many payments that were."""
    now, booked = clock.now(), 0
    unpaid = Invoice.objects.filter(status__in=OPEN_STATUSES, app__type=AppType.BANK_TRANSFER, due__gt=0, paid=0)
    for invoice in unpaid.select_related("customer").order_by("issued_at", "id"):
        traits = payers[invoice.customer.key or ""].traits
        assert invoice.issued_at is not None
        if Trait.STOPPED_PAYING in traits and invoice.issued_at >= stopped_since:
            continue
        after = _PAID_LATE_AFTER if Trait.PAYS_LATE in traits else _PAID_AFTER
        if invoice.issued_at + after <= now:
            charges = round_money(invoice.due / 200, invoice.currency) if Trait.PAYS_IN_PART in traits else Decimal(0)
            record_payment(
                invoice=invoice,
                amount=invoice.due - charges,
                received_at=now,
                reference=f"Statement {now:%Y-%m-%d}, {invoice.number}",
            )
            booked += 1
    return booked
