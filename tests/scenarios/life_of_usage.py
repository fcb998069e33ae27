"""What happens to usage in the stories of `life`: it comes late, by other subjects, and while a run is under way; what
it was billed on is thrown away, collected early, or voided."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from core import clock
from customers.services.attribute_usage import attribute_usage
from invoicing.choices import DRAFT_STATUSES, InvoiceStatus, LineKind, RunTrigger
from invoicing.corrections.reopen_windows import reopen_windows
from invoicing.drafts.snapshot_quantities import snapshot_quantities
from invoicing.models import Invoice, InvoiceLine
from invoicing.runs.run_due import work_off
from invoicing.runs.start_run import start_run
from subscriptions.lifecycle.mark_for_billing import mark_for_billing
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import ItemRevision, Subscription
from tests.scenarios.life import World


class UsageWorld(World):
    """A world whose customer uses much. Nothing that they use is ever lost, or billed twice."""

    def use_late(self, amount: str, window: int, ago: int) -> None:
        """In a window that is settled: `ago` seconds before its end, or at its start where it is not that long."""
        windows = list(
            InvoiceLine.objects.filter(kind=LineKind.USAGE, window__isnull=False, deleted_at=None)
            .order_by("-period_start", "-id")
            .values_list("period_start", "period_end")
        )
        if windows:
            start, end = windows[window % len(windows)]
            moment = max(start, min(end, self.now) - timedelta(seconds=ago))
            self.use(amount, int((self.now - moment).total_seconds()))

    def use_elsewhere(self, amount: str, ago: int) -> None:
        """By a subject that may be the customer's, or be theirs later."""
        self.use(amount, ago, subject="acme-eu")

    def attribute(self, subjects: list[str]) -> None:
        self._act(f"attribute {subjects}", lambda: attribute_usage(customer=self.customer, subjects=subjects))

    def close_late(self, seconds: int, amount: str, ago: int) -> None:
        """A run is listed now and worked `seconds` later; meanwhile more is used, at times before the listing."""
        with clock.frozen_at(self.now):
            run = start_run(as_of=self.now, trigger=RunTrigger.CLOCK)
        listed = self.now
        self.log.append(f"run listed at {listed}")
        self.now += timedelta(seconds=seconds)
        self.use(amount, seconds + ago)
        if run is not None:
            self._act(f"run of {listed} worked", partial(work_off, run))

    def collect_early(self, number: int) -> None:
        self._with_draft(number, "collect draft", lambda draft: snapshot_quantities(invoice=draft))

    def void(self, number: int) -> None:
        """As a void will: what nobody has paid, and gives nothing back, counts no more; its time is open again."""
        found = Invoice.objects.filter(
            issued_at__isnull=False,
            applied_from_balance=0,
            total__gt=0,
            credit_notes__isnull=True,
            payments__isnull=True,
        ).exclude(status__in=[InvoiceStatus.VOIDED, InvoiceStatus.PAID])
        invoices = [each for each in found.order_by("number") if not each.lines.filter(kind=LineKind.CREDIT).exists()]
        if not invoices:
            return
        invoice = invoices[number % len(invoices)]

        def act() -> Invoice:
            Invoice.objects.filter(pk=invoice.pk).update(
                status=InvoiceStatus.VOIDED, voided_at=self.now, due=0, next_collection_at=None
            )
            reopen_windows(invoice, now=self.now)
            return invoice

        self._act(f"void {invoice.number}", act)

    def take_back_end(self, which: int) -> None:
        """As whatever lets a subscription last on whose end has been billed up to."""
        sub = self.pick(which)
        if sub is None or sub.active_to is None or Subscription.objects.filter(previous=sub).exists():
            return
        end: datetime = sub.active_to

        def act() -> Subscription:
            Subscription.objects.filter(pk=sub.pk).update(active_to=None)
            ItemRevision.objects.filter(item__subscription=sub, active_to=end).update(active_to=None)
            mark_for_billing(subscription=sub, changed_from=periods_touched(sub, min(end, self.now)))
            return sub

        self._act(f"take back the end {end} of {sub.name}", act)

    def _with_draft(self, number: int, what: str, act: Callable[[Invoice], Any]) -> None:
        drafts = list(Invoice.objects.filter(status__in=DRAFT_STATUSES).order_by("created_at", "id"))
        if drafts:
            draft = drafts[number % len(drafts)]
            self._act(f"{what} {number}", lambda: act(draft))
