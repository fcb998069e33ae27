"""What the demo company sells: meters, features, four plans in the currencies that its customers pay in, a coupon."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from billing_site.demo.companies import BUSINESS, COMPANIES, ENTERPRISE, STARTER, TEAM
from entitlements.choices import Aggregation
from entitlements.features.create_feature import create_feature
from entitlements.metering.create_meter import create_meter
from subscriptions.catalog.create_plan import create_plan
from subscriptions.catalog.plan_selectors import checked_terms
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.catalog.publish_plan import publish_plan
from subscriptions.catalog.save_coupon import CouponFacts, create_coupon
from subscriptions.models import Plan

API_EVENT, COMPUTE_EVENT, SMS_EVENT, GPU_EVENT = "api.requests", "compute.job", "sms.sent", "gpu.job"
WELCOME = "WELCOME25"

# List prices by currency: fees, then one API call, compute hour, storage package, text message and GPU hour.
_PRICES = {
    "USD": {
        "starter": "29.90",
        "seat": "12.00",
        "platform": "540.00",
        "support": "960.00",
        "licence": "18000.00",
        "set-up": "2500.00",
        "call": "0.0004",
        "hour": "0.35",
        "storage": "1.00",
        "sms": "0.045",
        "gpu": "2.10",
    },
    "EUR": {
        "starter": "27.90",
        "seat": "11.00",
        "platform": "495.00",
        "support": "890.00",
        "licence": "16500.00",
        "set-up": "2300.00",
        "call": "0.00037",
        "hour": "0.32",
        "storage": "0.95",
        "sms": "0.042",
        "gpu": "1.95",
    },
    "JPY": {
        "starter": "4400",
        "seat": "1800",
        "platform": "81000",
        "support": "144000",
        "licence": "2700000",
        "set-up": "375000",
        "call": "0.06",
        "hour": "52",
        "storage": "150",
        "sms": "7",
        "gpu": "320",
    },
}
_MINIMUM = {"USD": "500.00", "EUR": "460.00", "JPY": "75000"}

_NAMES = {STARTER: "Starter", TEAM: "Team", BUSINESS: "Business", ENTERPRISE: "Enterprise"}


def plan_key(plan: str, currency: str) -> str:
    """The key under which a plan is sold in a currency."""
    return f"{plan}-{currency.lower()}"


def create_catalog() -> None:
    """Meters, features, plans on sale, and the welcome coupon."""
    create_meter(
        key="api_calls", name="API calls", event_type=API_EVENT, aggregation=Aggregation.SUM, value_property="$.calls"
    )
    create_meter(
        key="compute_hours",
        name="Compute hours",
        event_type=COMPUTE_EVENT,
        aggregation=Aggregation.SUM,
        value_property="$.hours",
        group_by={"region": "$.region"},
    )
    create_meter(key="sms_messages", name="Text messages", event_type=SMS_EVENT, aggregation=Aggregation.COUNT)
    create_feature(key="api_calls", name="API calls", meter_key="api_calls")
    create_feature(key="compute", name="Compute", meter_key="compute_hours")
    create_feature(key="sms", name="Text messages", meter_key="sms_messages")
    create_feature(key="storage", name="Storage")
    create_feature(key="seats", name="Seats")
    for plan, currency in sorted({(company.plan, company.place.currency) for company in COMPANIES}):
        terms = _TERMS[plan](currency)
        publish_plan(plan=create_plan(key=plan_key(plan, currency), terms=terms))
    create_coupon(
        facts=CouponFacts(
            code=WELCOME,
            name="A quarter off the first three months",
            percentage=Decimal(25),
            periods=3,
            plan_keys=[plan_key(plan, currency) for plan in (STARTER, TEAM) for currency in _PRICES],
            redemption_limit=20,
        )
    )


def create_gpu_meter() -> None:
    """The meter that came after the events of the GPU pilot, and so found some that it can't read."""
    create_meter(
        key="gpu_hours", name="GPU hours", event_type=GPU_EVENT, aggregation=Aggregation.SUM, value_property="$.hours"
    )
    create_feature(key="gpu", name="GPU hours", meter_key="gpu_hours")


def plan_on_sale(plan: str, currency: str) -> Plan:
    """The version that is sold."""
    return Plan.objects.get(key=plan_key(plan, currency), effective_to=None)


def terms_with_sms(plan: str, currency: str) -> PlanTerms:
    """A plan with text messages on top, as some customers were promised."""
    return _extended(plan, currency, _usage("sms", "Text messages", "sms", _unit(currency, "sms")))


def terms_with_gpu(plan: str, currency: str) -> PlanTerms:
    """A plan with the GPU pilot on top."""
    return _extended(plan, currency, _usage("gpu", "GPU hours", "gpu", _unit(currency, "gpu")))


def _extended(plan: str, currency: str, card: RateCardTerms) -> PlanTerms:
    terms = _TERMS[plan](currency)
    phases = tuple(replace(phase, rate_cards=(*phase.rate_cards, card)) for phase in terms.phases)
    return checked_terms(replace(terms, name=f"{_NAMES[plan]}, own terms", phases=phases))


def _starter(currency: str) -> PlanTerms:
    cards = (
        _fee("base", "Base fee", currency, "starter"),
        _api_calls(currency, free="50000"),
    )
    return _plan(STARTER, currency, PhaseTerms(key="standard", name="Standard", rate_cards=cards))


def _team(currency: str) -> PlanTerms:
    """Two weeks without paying for seats, then by seat; storage and API calls from the first day."""
    usage = (_storage(currency, package="25"), _api_calls(currency, free="100000"))
    seats = _fee("seats", "Seats", currency, "seat", feature_key="seats")
    return _plan(
        TEAM,
        currency,
        PhaseTerms(key="trial", name="Trial", duration="P14D", rate_cards=(replace(seats, price=None), *usage)),
        PhaseTerms(key="standard", name="Standard", rate_cards=(seats, *usage)),
    )


def _business(currency: str) -> PlanTerms:
    """A platform fee by the quarter, support by the year, compute by the month."""
    cards = (
        _fee("platform", "Platform fee", currency, "platform", cadence="P3M"),
        _fee("support", "Priority support", currency, "support", cadence="P1Y"),
        _compute(currency, free="150"),
    )
    return _plan(BUSINESS, currency, PhaseTerms(key="standard", name="Standard", rate_cards=cards))


def _enterprise(currency: str) -> PlanTerms:
    """A licence by the year, set-up once, compute with a minimum, storage beyond what is included."""
    compute = _compute(currency, free=None)
    minimum = {"minimumAmount": _MINIMUM[currency]}
    cards = (
        _fee("licence", "Annual licence", currency, "licence", cadence="P1Y"),
        _fee("set_up", "Set-up", currency, "set-up", cadence=None),
        replace(compute, price={**(compute.price or {}), **minimum}),
        _storage(currency, package="100"),
    )
    return _plan(ENTERPRISE, currency, PhaseTerms(key="standard", name="Standard", rate_cards=cards))


_TERMS = {STARTER: _starter, TEAM: _team, BUSINESS: _business, ENTERPRISE: _enterprise}


def _plan(plan: str, currency: str, *phases: PhaseTerms) -> PlanTerms:
    return PlanTerms(name=f"{_NAMES[plan]} ({currency})", currency=currency, billing_cadence="P1M", phases=phases)


def _fee(
    key: str, name: str, currency: str, price: str, *, cadence: str | None = "P1M", feature_key: str | None = None
) -> RateCardTerms:
    entitled = {"type": "boolean"} if feature_key else None
    return RateCardTerms(
        type="flat_fee",
        key=key,
        name=name,
        feature_key=feature_key,
        billing_cadence=cadence,
        price={"type": "flat", "amount": _PRICES[currency][price], "paymentTerm": "in_advance"},
        entitlement_template=entitled,
    )


def _usage(key: str, name: str, feature_key: str, price: dict[str, Any], free: str | None = None) -> RateCardTerms:
    """What is free is also what they are entitled to: beyond it they go on, and pay."""
    allowance = (
        {"type": "metered", "isSoftLimit": True, "issueAfterReset": int(free), "usagePeriod": "P1M"} if free else None
    )
    return RateCardTerms(
        type="usage_based",
        key=key,
        name=name,
        feature_key=feature_key,
        billing_cadence="P1M",
        price=price,
        discounts={"usage": {"quantity": free}} if free else None,
        entitlement_template=allowance,
    )


def _unit(currency: str, price: str) -> dict[str, Any]:
    return {"type": "unit", "amount": _PRICES[currency][price]}


def _api_calls(currency: str, free: str) -> RateCardTerms:
    return _usage("api_calls", "API calls", "api_calls", _unit(currency, "call"), free)


def _compute(currency: str, free: str | None) -> RateCardTerms:
    return _usage("compute", "Compute hours", "compute", _unit(currency, "hour"), free)


def _storage(currency: str, package: str) -> RateCardTerms:
    price = {"type": "package", "amount": _PRICES[currency]["storage"], "quantityPerPackage": package}
    return _usage("storage", f"Excess storage, per {package} GB", "storage", price)
