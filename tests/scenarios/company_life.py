"""A company of many customers over many months: who they are, by which profiles they are billed, how a month goes by,
and how workers are killed in it."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from core import clock
from core.audit.actors import Actor, acting_as
from core.errors import BillingError
from core.leases import lease_end
from customers.models import BillingApp, BillingProfile, Customer, CustomerOverride, Supplier
from invoicing.models import LateUsageLook, RunShard, TaxRate
from invoicing.runs.run_due import run_due
from tests.scenarios.company_judge import judge, standing
from tests.scenarios.life_shop import Shop
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.late_usage import calls_feature
from tests.support.workers import environment_of_tests

DAY = timedelta(days=1)
START = at("2026-01-01")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")
# Whoever acts: decisions of one are approved by another.
STAFF = (Actor("user", "1", "Ada"), Actor("user", "2", "Bob"))
KILLED, ENDED = -9, 0
ROUNDS = 3

Act = Callable[["CompanyWorld", Customer], Any]


class CompanyWorld:
    """`now` is the time. Every choice comes from `random`: the same seed tells the same story. `log` tells it so far,
    `acts` counts how often each act was done, refused, or had nothing to act on."""

    def __init__(self, seed: str, *, customers: int) -> None:
        self.random = Random(seed)
        self.now = START
        self.log: list[str] = []
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.idle: Counter[str] = Counter()
        self.causes: Counter[tuple[str, str]] = Counter()
        self.events = 0
        self.references = 0
        with clock.frozen_at(self.now):
            self.profiles = _profiles()
            euro = Shop("EUR", calls=calls_feature())
            self.shops = {"EUR": euro, "JPY": Shop("JPY", beside=euro)}
            self.customers = [self._customer(number) for number in range(customers)]

    def _customer(self, number: int) -> Customer:
        customer = make_customer(
            key=f"c{number:02}",
            name=f"Customer {number:02}",
            currency="JPY" if number % 4 == 3 else "EUR",
            time_zone=ZONES[number % 3],
            country="DE",
        )
        profile = self.profiles[number % len(self.profiles)]
        if not profile.is_default:
            CustomerOverride.objects.create(customer=customer, billing_profile=profile)
        return customer

    # -- choices

    def shop(self, customer: Customer) -> Shop:
        assert customer.currency is not None
        return self.shops[customer.currency]

    def one(self, rows: Any) -> Any:
        """One of these; None of none."""
        found = list(rows)
        return self.random.choice(found) if found else None

    def timing(self) -> Any:
        """When a change of a subscription takes effect."""
        chosen = self.random.choice(
            ["immediate", "immediate", "immediate", "next_billing_cycle", -3 * DAY, -DAY / 24, DAY, 20 * DAY]
        )
        return self.now + chosen if isinstance(chosen, timedelta) else chosen

    def price(self, customer: Customer, amount: str) -> Decimal:
        return self.shop(customer).price(Decimal(amount))

    # -- a month

    def month(self, acts: Sequence[tuple[str, Act]], *, kill_at: Sequence[int] = ()) -> None:
        """Whatever happens in a month, and the close of its end, in which a worker is killed at its so-manieth
        write, for each of `kill_at`; then the books are judged."""
        end = (self.now.replace(day=1) + 32 * DAY).replace(day=1, hour=0)
        stops = sorted(self.random.uniform(0, 1) for _ in range(4))
        length = end - self.now
        for position, part in enumerate(stops):
            self.now = max(self.now, end - length * (1 - part)).replace(microsecond=0)
            if position % 2:
                self._worked()
            for _ in range(max(1, len(self.customers) * 3 // 4)):
                name, act = self.random.choice(acts)
                self.act(name, act, self.random.choice(self.customers))
        self.now = end + self.random.choice([0, 0, 3600, 30 * 3600]) * timedelta(seconds=1)
        for write in kill_at:
            self._kill(write)
        self._worked()
        judge(self.now)

    def act(self, name: str, act: Act, customer: Customer) -> None:
        """Try it. What is refused was refused for a reason; any other error is a fault."""
        said = f"{self.now:%Y-%m-%d %H:%M} {customer.key}: {name}"
        self.log.append(said)
        try:
            with clock.frozen_at(self.now), acting_as(self.random.choice(STAFF)):
                did = act(self, customer)
        except BillingError as error:
            self.refused[name] += 1
            self.causes[name, error.code] += 1
            self.log[-1] += f": REFUSED {error.code}: {error.message}"
            return
        self.log[-1] += f": {did}"
        (self.idle if did is None else self.done)[name] += 1

    def _worked(self) -> None:
        """All that is due is done; then once more, which writes nothing. Quantities that were counted in it may leave
        late usage to look for: that is looked for in another round, and what it comes to is billed in one more."""
        with clock.frozen_at(self.now):
            for _ in range(ROUNDS):
                self.log.append(f"{self.now:%Y-%m-%d %H:%M} all that is due: {run_due(as_of=self.now)}")
                if not LateUsageLook.objects.filter(not_before=None).exists():
                    break
            else:
                raise AssertionError("late usage is to be looked for again and again")
            before = standing()
            run_due(as_of=self.now)
            wrote = {table for table, rows in standing().items() if rows != before[table]}
            assert not wrote, f"a second close wrote {wrote}"

    def _kill(self, write: int) -> None:
        """A worker does all that is due, and is gone in the middle of it: nothing is caught, nothing is told."""
        command = [sys.executable, "-m", "tests.scenarios.company_worker", self.now.isoformat(), str(write)]
        ended = subprocess.run(command, env=environment_of_tests(), check=False, timeout=300, capture_output=True)
        assert ended.returncode in (KILLED, ENDED), ended.stderr.decode()
        held = RunShard.objects.filter(lease_until__isnull=False)
        self.done["killed in a run" if held.exists() else "killed elsewhere"] += ended.returncode == KILLED
        self.log.append(
            f"{self.now:%Y-%m-%d %H:%M} worker: {'killed' if ended.returncode else 'ended'} at write {write}"
        )
        # As if it had been silent for too long.
        held.update(lease_until=lease_end(timedelta(seconds=-1)))

    def told(self) -> str:
        """How often each act was done, was refused, and had nothing to act on; and why it was refused most."""
        names = sorted({*self.done, *self.refused, *self.idle})
        rows = [
            f"{name:28}{self.done[name]:6} done{self.refused[name]:6} refused{self.idle[name]:6} idle" for name in names
        ]
        why = [f"{count:6} {name}: {code}" for (name, code), count in self.causes.most_common(30)]
        return "\n".join([*rows, *why])


def _profiles() -> list[BillingProfile]:
    """Cards at once; in parts, by a threshold too; by hand after a review; drafts of some days; another supplier."""
    TaxRate.objects.create(country="DE", rate=Decimal(19), name="VAT", valid_from=START)
    bank = BillingApp.objects.create(type="bank_transfer", name="Bank")
    cards = make_default_profile(tax_enabled=True, tax_behavior="exclusive", due_after="P3D")
    common: dict[str, Any] = {"supplier": cards.supplier, "tax_enabled": True}
    by_bank = common | {"app": bank, "collection_method": "send_invoice"}
    other = Supplier.objects.create(key="other", name="Other", invoice_prefix="ALT", credit_note_prefix="ALTCN")
    return [
        cards,
        BillingProfile.objects.create(
            name="In parts",
            app=cards.app,
            tax_behavior="inclusive",
            progressive_billing=True,
            progressive_threshold=Decimal(15),
            progressive_threshold_currency="EUR",
            **common,
        ),
        BillingProfile.objects.create(
            name="By hand",
            tax_behavior="exclusive",
            auto_advance=False,
            collection_interval="P1D",
            draft_period="P3D",
            late_usage="ask",
            **by_bank,
        ),
        BillingProfile.objects.create(
            name="In parts with drafts",
            tax_behavior="inclusive",
            progressive_billing=True,
            progressive_threshold=Decimal(1500),
            progressive_threshold_currency="JPY",
            collection_interval="PT1H",
            draft_period="P2D",
            **by_bank,
        ),
        BillingProfile.objects.create(
            name="Asks",
            tax_behavior="exclusive",
            draft_period="P5D",
            late_usage="ask",
            progressive_billing=True,
            **by_bank,
        ),
        BillingProfile.objects.create(
            name="Other supplier", tax_behavior="exclusive", **common | {"supplier": other, "app": cards.app}
        ),
    ]
