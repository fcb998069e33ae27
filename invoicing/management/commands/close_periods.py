"""`manage.py close_periods`: close what is due, in this process, with progress; or say what a close would bill."""

import sys
import uuid
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from core import clock
from core.admin.words import amount_text, counted, moment_text
from core.console import Progress
from core.errors import BillingError
from core.testclock.selectors import on_the_clock
from customers.models import Customer
from customers.selectors import living_customer
from invoicing.choices import CustomerOutcome, RunTrigger
from invoicing.models import BillingRun, RunCustomer
from invoicing.previews.preview_customers import preview_closes
from invoicing.runs.due_customers import due_customers
from invoicing.runs.run_due import work_off
from invoicing.runs.selectors import outcome_counts
from invoicing.runs.start_run import refuse_future, start_run

BATCH = 250


class Command(BaseCommand):
    help = (
        "Close the periods that are due: the same run as the schedule's, worked off here and now. Running it twice"
        " bills nothing twice. Exit code 1 when a customer was, or would be, parked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", metavar="TIME", help="everything due by then, in ISO 8601; UTC unless it says")
        parser.add_argument("--customer", metavar="KEY", action="append", help="only this customer (may be repeated)")
        parser.add_argument("--preview", action="store_true", help="write nothing; say what would be billed")
        parser.add_argument("--limit", type=int, default=20, help="parked customers to name")

    def handle(self, *args: Any, **options: Any) -> None:
        self.limit: int = options["limit"]
        try:
            with on_the_clock():
                as_of = _moment(options["as_of"]) or clock.now()
                customer_ids = [living_customer(key).id for key in options["customer"] or ()] or None
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
        """Say what a close would bill; the number of customers that it would park."""
        due = due_customers(as_of).order_by("pk")
        if customer_ids is not None:
            due = due.filter(pk__in=customer_ids)
        ids = list(due.values_list("pk", flat=True))
        self.stdout.write(f"A close of {counted(len(ids), 'customer')} up to {moment_text(as_of)} UTC would bill:")
        progress, totals, invoices = Progress(self.stdout), dict[str, Decimal](), Counter[str]()
        credited, notes = dict[str, Decimal](), Counter[str]()
        causes: dict[uuid.UUID, BillingError] = {}
        for start in range(0, len(ids), BATCH):
            shown = preview_closes(customer_ids=ids[start : start + BATCH], until=as_of)
            causes |= shown.failures
            for invoice in shown.invoices:
                invoices[invoice.currency] += 1
                totals[invoice.currency] = totals.get(invoice.currency, Decimal(0)) + invoice.total
            for note in shown.credit_notes:
                notes[note.currency] += 1
                credited[note.currency] = credited.get(note.currency, Decimal(0)) + note.total
            done = min(start + BATCH, len(ids))
            progress.told(done / len(ids), f"{done:,} of {len(ids):,}: {counted(invoices.total(), 'invoice')}")
        for currency in sorted(totals):
            count = counted(invoices[currency], "invoice")
            self.stdout.write(f"  {currency} {amount_text(totals[currency], currency)} on {count}")
        for currency in sorted(credited):
            count = counted(notes[currency], "credit note")
            self.stdout.write(f"  {currency} {amount_text(credited[currency], currency)} given back by {count}")
        if not totals and not credited:
            self.stdout.write("  nothing")
        names = Customer.objects.in_bulk(list(causes)[: self.limit])
        self._name_parked([(names[key].name, causes[key].message) for key in names], len(causes))
        return len(causes)

    def _name_parked(self, causes: Sequence[tuple[str, str]], count: int) -> None:
        for name, cause in causes:
            self.stdout.write(self.style.WARNING(f"  Parked: {name}: {cause}"))
        if count > len(causes):
            self.stdout.write(f"  and {count - len(causes):,} more (--limit)")


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
