"""Every state that a list can show has its colour."""

from invoicing.admin.lifecycle.invoice_states import tone_of
from invoicing.admin.payments.payment_rows import PAYMENT_TONES, REFUND_TONES
from invoicing.admin.runs.run import RUN_TONES
from invoicing.choices import CustomerOutcome, InvoiceStatus, PaymentStatus, RefundStatus, RunStatus
from invoicing.runs.progress import OUTCOME_TONES
from subscriptions.admin.catalog.versions import PLAN_TONES
from subscriptions.admin.lifecycle.subscription import SUBSCRIPTION_TONES
from subscriptions.choices import PlanStatus, SubscriptionStatus


def test_no_state_is_without_a_colour():
    assert set(PAYMENT_TONES) == set(PaymentStatus)
    assert set(REFUND_TONES) == set(RefundStatus)
    assert set(RUN_TONES) == set(RunStatus)
    assert set(OUTCOME_TONES) == set(CustomerOutcome)
    assert set(PLAN_TONES) == set(PlanStatus)
    assert set(SUBSCRIPTION_TONES) == set(SubscriptionStatus)
    assert {tone_of(status) for status in InvoiceStatus} == {"grey", "blue", "green", "amber", "red"}
