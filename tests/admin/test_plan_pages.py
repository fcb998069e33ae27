"""Plans at the finance desk: drafted, filled with rate cards of every price model, published, and made anew."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.audit.models import AuditEntry
from entitlements.models import Feature
from subscriptions.models import Plan, PlanPhase, RateCard
from tests.admin.pages import hidden, text_of
from tests.support.catalog import fee, flat_card, make_feature, make_meter, make_plan
from tests.support.desk import list_url, page_url, said, verb_url

pytestmark = pytest.mark.django_db

ADD = reverse("admin:subscriptions_plan_add")
FACTS = {"name": "Team", "key": "team", "currency": "eur", "billing_cadence": "P1M", "phase_name": "Standard"}


@pytest.fixture
def draft(db):
    """A draft of one phase with 30.00 a month."""
    card = flat_card(price=fee("30.00"), metadata={"ledger": "4400"})
    return make_plan({"key": "standard", "name": "Standard", "cards": (card,)}, key="team", effective_from=None)


@pytest.fixture
def calls(db):
    """A metered feature."""
    return make_feature(key="calls", name="Calls", meter=make_meter())


def asked(desk, plan, **answers):
    """The page after a rate card was filled in: its review, or the form with what is wrong."""
    calls = Feature.objects.filter(key="calls").values_list("pk", flat=True).first() or ""
    card = {
        "feature": str(calls),
        "phase": "standard",
        "name": "Calls",
        "key": "calls",
        "cadence": "P1M",
        "payment_term": "in_advance",
    }
    response = desk.post(verb_url(plan, "add-rate-card"), card | {"feature": str(calls)} | answers)
    assert response.status_code == 200
    return response.content.decode()


def saved(desk, plan, **answers):
    """The rate card that was filled in, seen and confirmed."""
    page = asked(desk, plan, **answers)
    response = desk.post(verb_url(plan, "add-rate-card"), hidden(page), follow=True)
    assert said(response) == [f"The rate card {answers.get('name', 'Calls')} is added."], text_of(page)
    return RateCard.objects.get(phase__plan=plan, key=answers.get("key", "calls")), text_of(page)


def test_a_plan_is_drafted_filled_and_published(billing_admin, db):
    assert "Add plan" in billing_admin.read(list_url(Plan))
    response = billing_admin.post(ADD, FACTS | {"pro_rating_enabled": "on", "reason": "New offer"}, follow=True)
    assert said(response) == ["Team v1 is drafted. Add its rate cards, then publish it."]
    plan = Plan.objects.get()
    assert (plan.currency, plan.pro_rating_enabled, plan.effective_from) == ("EUR", True, None)
    answers = {"name": "Base fee", "key": "base", "model": "flat", "amount": "49.00"}
    card, page = saved(billing_admin, plan, **answers)
    assert "49.00 EUR a month, in advance" in page
    assert (card.type, card.price) == ("flat_fee", {"type": "flat", "amount": "49.00", "paymentTerm": "in_advance"})
    shown = text_of(billing_admin.read(page_url(plan)))
    assert "Base fee base 49.00 EUR a month, in advance" in shown
    assert said(billing_admin.do(plan, "publish", reason="")) == ["Team v1 is on sale."]
    assert "added the rate card Base fee (49.00 EUR a month, in advance) of the plan Team v1" in shown
    drafted = AuditEntry.objects.get(verb="plan.created")
    assert (drafted.reason, drafted.actor_label) == ("New offer", "Admin")


MODELS = [
    ({"model": "unit", "amount": "0.05"}, {"type": "unit", "amount": "0.05"}, "0.05 EUR per unit"),
    (
        {"model": "package", "amount": "1.00", "package_size": "25"},
        {"type": "package", "amount": "1.00", "quantityPerPackage": "25"},
        "1.00 EUR per 25 units",
    ),
    (
        {"model": "graduated", "tiers_0_up_to": "5", "tiers_0_flat": "100", "tiers_1_unit": "1"},
        {
            "type": "tiered",
            "mode": "graduated",
            "tiers": [
                {"upToAmount": "5", "flatPrice": {"type": "flat", "amount": "100"}, "unitPrice": None},
                {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "1"}},
            ],
        },
        "up to 5: 100.00 EUR flat; above 5: 1.00 EUR per unit",
    ),
    (
        {"model": "volume", "tiers_0_up_to": "10", "tiers_0_unit": "2", "tiers_3_unit": "1.5"},
        {
            "type": "tiered",
            "mode": "volume",
            "tiers": [
                {"upToAmount": "10", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "2"}},
                {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "1.5"}},
            ],
        },
        "up to 10: 2.00 EUR per unit; above 10: 1.50 EUR per unit",
    ),
    (
        {"model": "dynamic", "multiplier": "1.2"},
        {"type": "dynamic", "multiplier": "1.2"},
        "the amounts in the events times 1.2",
    ),
    (
        {"model": "percentage", "percentage": "2.9", "fee_per_event": "0.30"},
        {"type": "percentage", "percentage": 2.9, "fixedFeePerEvent": "0.30"},
        "2.9 % of the amounts in the events, plus 0.30 EUR per event",
    ),
]


@pytest.mark.parametrize(("answers", "price", "words"), MODELS, ids=[model[0]["model"] for model in MODELS])
def test_every_price_model_is_filled_in_without_json(billing_admin, draft, calls, answers, price, words):
    card, page = saved(billing_admin, draft, feature=str(calls.pk), **answers)
    assert words in page
    assert (card.type, card.price, card.feature_id) == ("usage_based", price, calls.pk)
    link = f"{verb_url(draft, 'change-rate-card')}?phase=standard&was=calls"
    form = billing_admin.read(link)
    for name, value in answers.items():
        if name.startswith("tiers_3"):
            name = "tiers_1_unit"
        if name != "model":
            assert re.search(rf'name="{name}"[^>]* value="{re.escape(value)}"|value="{value}"[^>]* name="{name}"', form)
    assert re.search(rf'<option value="{answers["model"]}" selected', form)


def test_discounts_commitments_tax_and_entitlement_come_with_a_card(billing_admin, draft, calls):
    card, page = saved(
        billing_admin,
        draft,
        feature=str(calls.pk),
        model="unit",
        amount="10",
        discount="50",
        free_units="110",
        minimum="20",
        maximum="60",
        tax_behavior="inclusive",
        tax_code="txcd_10000000",
        entitlement="metered",
        allowance="500",
        allowance_period="P1M",
        soft_limit="on",
    )
    assert "10.00 EUR per unit, in arrears, at least 20.00 EUR, at most 60.00 EUR" in page
    assert "the first 110 units free, 50 % off" in page
    assert "500 units every 1 month, soft limit" in page
    assert card.discounts == {"percentage": {"percentage": 50}, "usage": {"quantity": "110"}}
    assert card.tax_config == {"behavior": "inclusive", "stripe": {"code": "txcd_10000000"}}
    template = {"type": "metered", "issueAfterReset": 500, "usagePeriod": "P1M", "isSoftLimit": True}
    assert card.entitlement_template == template | {"preserveOverageAtReset": False}


def test_a_changed_card_shows_what_it_was_and_keeps_what_is_not_asked_for(billing_admin, draft):
    url = f"{verb_url(draft, 'change-rate-card')}?phase=standard&was=base"
    form = billing_admin.read(url)
    assert hidden(form)["was"] == "base"
    answers = {"name": "Base fee", "key": "base", "cadence": "P1M", "model": "flat", "amount": "35.00"}
    page = billing_admin.post(url, hidden(form) | answers | {"payment_term": "in_arrears"}).content.decode()
    assert "Price 30.00 EUR a month, in advance 35.00 EUR a month, in arrears" in text_of(page)
    response = billing_admin.post(url, hidden(page), follow=True)
    assert said(response) == ["The rate card Base fee is changed."]
    card = RateCard.objects.get()
    assert card.price == {"type": "flat", "amount": "35.00", "paymentTerm": "in_arrears"}
    assert card.metadata == {"ledger": "4400"}


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"model": "flat", "amount": ""}, "Amount is required."),
        ({"model": "flat", "amount": "30,00"}, 'Amount must be a decimal string such as "12.50"'),
        ({"model": "flat", "amount": "-1"}, "Amount must not be negative."),
        ({"model": "flat", "amount": "1", "free_units": "5"}, "This price model has none: leave it empty."),
        ({"model": "unit", "amount": "1", "discount": "101"}, "Discount in per cent"),
        ({"model": "package", "amount": "1", "package_size": "0"}, "Units in a package must be more than zero."),
        ({"model": "graduated"}, "Tiers must be a list with at least one tier."),
        ({"model": "graduated", "tiers_0_up_to": "5", "tiers_0_unit": "1"}, "the last tier must have no end."),
        (
            {"model": "volume", "tiers_0_up_to": "5", "tiers_0_unit": "1", "tiers_1_up_to": "5", "tiers_1_flat": "1"},
            "Tier 2, up to must be more than 5.",
        ),
        ({"model": "percentage"}, "Percentage is required."),
        ({"model": "unit", "amount": "1", "minimum": "9", "maximum": "3"}, "At least is above the most."),
        ({"model": "flat", "amount": "1", "key": "Base Fee"}, "Use lower-case letters and digits"),
        ({"model": "flat", "amount": "1", "key": "base"}, "There is another rate card base before it."),
        ({"model": "unit", "amount": "1", "cadence": ""}, "What is billed by usage needs a billing cadence"),
        ({"model": "unit", "amount": "1"}, "A usage price needs a feature, which says what to count."),
        ({"model": "flat", "amount": "1", "entitlement": "boolean"}, "An entitlement is to a feature"),
        ({"model": "flat", "amount": "1", "entitlement": "metered", "allowance": "x"}, "Give a number of at least 0."),
        ({"model": "barter", "amount": "1"}, "Select a valid choice."),
    ],
)
def test_a_wrong_card_is_asked_again_and_keeps_what_was_typed(billing_admin, draft, answers, fault):
    page = asked(billing_admin, draft, **answers)
    assert fault in text_of(page)
    assert 'value="Calls"' in page
    assert RateCard.objects.count() == 1


def test_phases_are_added_moved_and_removed(billing_admin, draft):
    url = verb_url(draft, "add-phase")
    trial = {"name": "Trial", "key": "trial", "before": "standard", "duration_0": "14", "duration_1": "D"}
    assert said(billing_admin.post(url, trial, follow=True)) == ["The phase Trial is added."]
    later = {"name": "Later", "key": "later", "before": "", "last_duration_0": "1", "last_duration_1": "Y"}
    assert said(billing_admin.post(url, later, follow=True)) == ["The phase Later is added."]
    known = list(PlanPhase.objects.order_by("position").values_list("key", "duration"))
    assert known == [("trial", "P14D"), ("standard", "P1Y"), ("later", None)]
    changed = {"was": "trial", "name": "Try it", "key": "trial", "duration_0": "P1M15D", "duration_1": "ISO"}
    assert said(billing_admin.post(verb_url(draft, "change-phase"), changed, follow=True)) == [
        "The phase Try it is changed."
    ]
    assert "Try it for 1 month 15 days" in text_of(billing_admin.read(page_url(draft)))
    assert said(billing_admin.do(draft, "remove-phase", phase="later")) == ["The phase is removed."]
    known = list(PlanPhase.objects.order_by("position").values_list("name", "duration"))
    assert known == [("Try it", "P1M15D"), ("Standard", None)]
    assert RateCard.objects.get().phase.key == "standard"


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"before": "standard"}, "Say how long: only the last phase has no end."),
        ({"before": ""}, "Say how long: only the last phase has no end."),
        ({"before": "standard", "duration_0": "0", "duration_1": "D"}, "It must be longer than no time."),
        ({"before": "standard", "duration_0": "1.5", "duration_1": "M"}, "Give a whole number."),
        ({"before": "standard", "duration_0": "1", "duration_1": "M", "key": "standard"}, "There is another phase"),
    ],
)
def test_a_wrong_phase_is_asked_again(billing_admin, draft, answers, fault):
    response = billing_admin.post(verb_url(draft, "add-phase"), {"name": "Trial", "key": "trial"} | answers)
    assert fault in text_of(response.content.decode())
    assert PlanPhase.objects.count() == 1


def test_the_only_phase_stays(billing_admin, draft):
    assert said(billing_admin.do(draft, "remove-phase", phase="standard")) == [
        "It is the only phase, and a plan needs one."
    ]
    assert said(billing_admin.do(draft, "remove-rate-card", phase="standard", was="base")) == [
        "The rate card is removed."
    ]
    answered = said(billing_admin.do(draft, "remove-rate-card", phase="standard", was="base"))
    assert answered == ["There is no rate card base any more. Nothing was changed: look at the plan again."]


def test_the_facts_of_a_draft_are_changed(billing_admin, draft):
    answers = {"name": "Team 2027", "billing_cadence": "P3M", "description": "For teams"}
    response = billing_admin.post(verb_url(draft, "edit-facts"), answers, follow=True)
    assert said(response) == ["The draft is changed."]
    draft.refresh_from_db()
    facts = (draft.name, draft.billing_cadence, draft.pro_rating_enabled, draft.description)
    assert facts == ("Team 2027", "P3M", False, "For teams")
    assert RateCard.objects.get().price["amount"] == "30.00"


def test_a_published_version_is_changed_by_its_next_one(billing_admin, db):
    plan = make_plan(cards=(flat_card(price=fee("30.00")),), key="team", name="Team")
    for verb in (
        "add-rate-card",
        "change-rate-card",
        "add-phase",
        "change-phase",
        "edit-facts",
        "remove-rate-card",
        "remove-phase",
    ):
        assert said(billing_admin.do(plan, verb)) == ["It was published: make its next version and change that."], verb
    assert "do/add-rate-card" not in billing_admin.read(page_url(plan))
    answered = said(billing_admin.do(plan, "next-version", reason=""))
    assert answered == ["Team v2 is drafted. You find it under Versions."]
    draft = Plan.objects.get(version=2)
    assert RateCard.objects.get(phase__plan=draft).price["amount"] == "30.00"
    assert said(billing_admin.do(draft, "next-version", reason="")) == ["It is a draft: change it as it is."]
    assert "draft" in said(billing_admin.do(plan, "next-version", reason=""))[0]


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"key": "Team!"}, "Use lower-case letters and digits"),
        ({"currency": "XXQ"}, "Not a currency of ISO 4217"),
        ({"name": ""}, "This field is required."),
    ],
)
def test_a_wrong_plan_is_asked_again(billing_admin, answers, fault):
    assert fault in text_of(billing_admin.post(ADD, FACTS | answers).content.decode())
    assert Plan.objects.count() == 0


def test_a_second_draft_of_one_key_is_refused_at_the_form(billing_admin, draft):
    page = billing_admin.post(ADD, FACTS).content.decode()
    assert "draft" in text_of(page)
    assert 'value="Team"' in page
    assert Plan.objects.count() == 1


@pytest.mark.parametrize("role", ["clerk", "approver", "auditor"])
def test_only_billing_admins_write_plans(request, draft, role):
    desk = request.getfixturevalue(role)
    assert desk.get(ADD).status_code == 403
    for verb in (
        "add-rate-card",
        "change-rate-card",
        "add-phase",
        "change-phase",
        "edit-facts",
        "remove-rate-card",
        "remove-phase",
        "next-version",
    ):
        assert desk.post(verb_url(draft, verb), {"confirmed": "yes"}).status_code == 403, verb
    assert "/do/" not in desk.read(page_url(draft))


def test_the_pages_have_a_fixed_number_of_queries(billing_admin, draft, calls):
    def count(url):
        with CaptureQueriesContext(connection) as captured:
            billing_admin.read(url)
        return len(captured)

    form = f"{verb_url(draft, 'add-rate-card')}?phase=standard"
    billing_admin.read(page_url(draft))
    assert count(page_url(draft)) <= 14
    assert count(form) <= 12
    for number in range(5):
        saved(billing_admin, draft, name=f"Fee {number}", key=f"fee_{number}", model="flat", amount="1.00")
    assert count(page_url(draft)) <= 14
    assert count(form) <= 12


def test_what_a_copy_says_is_what_its_version_said(billing_admin, draft, calls):
    """A form that is opened and confirmed unchanged changes nothing of the draft."""
    saved(billing_admin, draft, feature=str(calls.pk), model="percentage", percentage="12.5", discount="7.25")
    before = RateCard.objects.filter(key="calls").values("price", "discounts", "type", "billing_cadence").get()
    url = f"{verb_url(draft, 'change-rate-card')}?phase=standard&was=calls"
    answers = {"name": "Calls", "key": "calls", "cadence": "P1M", "model": "percentage", "feature": str(calls.pk)}
    form = hidden(billing_admin.read(url)) | answers | {"percentage": "12.5", "discount": "7.25"}
    page = billing_admin.post(url, form).content.decode()
    billing_admin.post(url, hidden(page))
    assert RateCard.objects.filter(key="calls").values("price", "discounts", "type", "billing_cadence").get() == before


@pytest.mark.parametrize("query", ["?plan=x", "?phase=x&was=x", "?card=x&tiers=x", "?duration=x&before=x"])
def test_an_address_that_says_nonsense_asks_all_the_same(billing_admin, draft, query):
    for verb in ("add-rate-card", "change-rate-card", "add-phase", "change-phase", "edit-facts"):
        assert billing_admin.get(verb_url(draft, verb) + query).status_code == 200, verb
        assert billing_admin.post(verb_url(draft, verb) + query, {"again": "yes"}).status_code == 200, verb
