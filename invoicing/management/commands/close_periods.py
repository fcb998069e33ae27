"""`manage.py close_periods`: close what is due, in this process, with progress; or say what follows up to a time."""

import sys
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from core import clock
from core.admin.words import amount_text, counted, moment_text
from core.console import Progress
from core.errors import BillingError
from core.locks import customer_group
from core.testclock.selectors import on_the_clock
from customers.models import Customer
from customers.selectors import find_customer
from invoicing.choices import CustomerOutcome, RunTrigger
from invoicing.models import BillingRun, RunCustomer
from invoicing.previews.preview_customers import preview_customers, refuse_far
from invoicing.previews.totals import OutlookTotals
from invoicing.runs.due_customers import customers_moved_by
from invoicing.runs.run_due import work_off
from invoicing.runs.selectors import outcome_counts
from invoicing.runs.start_run import refuse_future, start_run

BATCH = 100


class Command(BaseCommand):
    help = (
        "Close the periods that are due: the same run as the schedule's, worked off here and now. Running it twice"
        " bills nothing twice. Exit code 1 when a customer was, or would be, parked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", metavar="TIME", help="everything due by then, in ISO 8601; UTC unless it says")
        parser.add_argument("--customer", metavar="KEY", action="append", help="only this customer (may be repeated)")
        parser.add_argument(
            "--preview",
            action="store_true",
            help="write nothing; say what would be billed, also by a time that is to come",
        )
        parser.add_argument("--limit", type=int, default=20, help="parked customers to name")

    def handle(self, *args: Any, **options: Any) -> None:
        self.limit: int = options["limit"]
        try:
            with on_the_clock():
                as_of = _moment(options["as_of"]) or clock.now()
                customer_ids = [find_customer(key).id for key in options["customer"] or ()] or None
                if not options["preview"]:
                    refuse_future(as_of)
                parked = self._preview(as_of, customer_ids) if options["preview"] else self._close(as_of, customer_ids)
        except BillingError as error:
            raise CommandError(error.message) from error
        if parked:
            sys.exit(1)

    def _close(self, as_of: datetime, customer_ids: Sequence[uuid.UUID] | None) -> int:
        """Start a run and work it off; the number of customers that it parked."""
        run = start_run(as_of=as_of, trigger=RunTrigger.STAFF, started_by="close_periods", customer_ids=customer_ids)
        if run is None:
            self.stdout.write(f"Nothing is due up to {moment_text(as_of)} UTC.")
            return 0
        self.stdout.write(f"Closing {counted(run.customer_count, 'customer')} up to {moment_text(as_of)} UTC.")
        progress = Progress(self.stdout)

        def tell(*_: int) -> None:
            part, words = _how_far(run)
            progress.told(part, words)

        work_off(run, progress=tell)
        part, words = _how_far(run)
        if part < 1:
            self.stdout.write(f"  {words}. Other workers go on with the rest.")
        parked = run.customers.filter(outcome=CustomerOutcome.PARKED)
        self._name_parked([(row.customer.name, row.cause) for row in self._named(parked)], parked.count())
        return parked.count()

    def _named(self, parked: Any) -> Sequence[RunCustomer]:
        return list(parked.select_related("customer").order_by("id")[: self.limit])

    def _preview(self, as_of: datetime, customer_ids: Sequence[uuid.UUID] | None) -> int:
        """Say what follows up to `as_of`; the number of customers that would be parked."""
        refuse_far(as_of)
        moved = customers_moved_by(as_of).order_by()
        if customer_ids is not None:
            moved = moved.filter(pk__in=customer_ids)
        # In the order of the lock groups, so that a batch takes as few locks as can be.
        ids = sorted(moved.values_list("pk", flat=True), key=lambda pk: (customer_group(pk), pk))
        self.stdout.write(f"Up to {moment_text(as_of)} UTC, {counted(len(ids), 'customer')} would be billed:")
        progress, totals = Progress(self.stdout), OutlookTotals()
        # What is to come is lived through for one customer after another, what is due now for a batch at once.
        batch = BATCH if as_of <= clock.now() else 1
        for start in range(0, len(ids), batch):
            totals.add(preview_customers(customer_ids=ids[start : start + batch], until=as_of))
            done = min(start + batch, len(ids))
            progress.told(done / len(ids), f"{done:,} of {len(ids):,}: {counted(totals.invoices, 'invoice')}")
        for sentence in _in_words(totals):
            self.stdout.write(f"  {sentence}")
        self._name_parked(_named(totals.parked, self.limit), len(totals.parked))
        self._name_parked(_named(totals.waiting, self.limit), len(totals.waiting), "Parked already")
        return len(totals.parked)

    def _name_parked(self, causes: Sequence[tuple[str, str]], count: int, what: str = "Parked") -> None:
        for name, cause in causes:
            self.stdout.write(self.style.WARNING(f"  {what}: {name}: {cause}"))
        if count > len(causes):
            self.stdout.write(f"  and {count - len(causes):,} more (--limit)")


def _named(causes: Mapping[uuid.UUID, str], limit: int) -> list[tuple[str, str]]:
    """The first of these customers by name, with the cause. One query."""
    shown = dict(list(causes.items())[:limit])
    names = Customer.objects.in_bulk(list(shown))
    return sorted((names[pk].name, cause) for pk, cause in shown.items())


def _in_words(totals: OutlookTotals) -> Iterator[str]:
    """What follows, a sentence for each kind and currency."""
    for currency, sums in sorted(totals.by_currency.items()):
        if sums.invoices:
            drafts = f", of them {counted(sums.drafts, 'draft')}" if sums.drafts else ""
            billed = amount_text(sums.billed, currency)
            yield f"{currency} {billed} on {counted(sums.invoices, 'invoice')}{drafts}"
        if sums.notes:
            given_back = amount_text(sums.given_back, currency)
            yield f"{currency} {given_back} given back by {counted(sums.notes, 'credit note')}"
        if sums.from_balance:
            yield f"{currency} {amount_text(sums.from_balance, currency)} paid from balances"
        if sums.to_balance:
            yield f"{currency} {amount_text(sums.to_balance, currency)} moved to balances"
    if not totals.by_currency:
        yield "nothing"
    if totals.gathered:
        who = counted(totals.gathered, "customer")
        yield f"Of {who}, there are more bills than are made one by one: those beyond the first are shown as one."


def _how_far(run: BillingRun) -> tuple[float, str]:
    """The part of the run that is done, and its outcomes in words."""
    counts = outcome_counts(run)
    done = run.customer_count - counts.pop(CustomerOutcome.PENDING, 0)
    words = [f"{number:,} {CustomerOutcome(outcome).label.lower()}" for outcome, number in sorted(counts.items())]
    return done / run.customer_count, f"{done:,} of {run.customer_count:,}: {', '.join(words) or 'none yet'}"


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parse_datetime(text if "T" in text or " " in text else f"{text}T00:00:00")
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{text!r} is no time: write it like 2026-03-17T00:00:00Z. Nothing was done.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
