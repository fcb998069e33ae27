"""A world in which one customer's subscription lives: every act is tried, and after each the books must hold."""

from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core import clock
from core.errors import BillingError
from customers.models import BillingApp
from entitlements.models import UsageEvent
from invoicing.choices import DRAFT_STATUSES
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.delete_draft import delete_draft
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.models import Invoice, InvoiceLine, ParkedCustomer, TaxRate
from invoicing.previews.preview_customers import preview_customer
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.start_subscription import start_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from invoicing.subscription_changes.update_item import update_item
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem, Edit, RemoveItem
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.models import Subscription, SubscriptionAddOn
from tests.scenarios.life_judge import check, digest, figures
from tests.scenarios.life_shop import Shop, fee
from tests.services.outlooks import Books, foreseen
from tests.support.conservation import UsageLedger, assert_open_usage_waits
from tests.support.customers import make_customer, make_default_profile


class World:
    """`now` is the time; each act takes place then. `log` tells the story so far."""

    def __init__(
        self,
        *,
        start: datetime,
        zone: str,
        currency: str,
        tax: str,
        draft_period: str,
        interval: str,
        auto: bool = True,
    ) -> None:
        self.now, self.currency = start, currency
        self.log: list[str] = []
        self.events = 0
        self.usage = UsageLedger()
        with clock.frozen_at(start):
            self.profile = make_default_profile(
                draft_period=draft_period, collection_interval=interval, auto_advance=auto, tax_enabled=True
            )
            if tax == "exclusive" or tax == "inclusive":
                TaxRate.objects.create(country="DE", rate=Decimal("19"), name="VAT", valid_from=start)
                self.profile.tax_behavior = tax
                self.profile.save()
            self.customer = make_customer(currency=currency, time_zone=zone, country="DE")
            shop = self.shop = Shop(currency)
            self.plans, self.addon, self.coupons = shop.plans, shop.addon, shop.coupons

    # -- what is there

    @property
    def subscriptions(self) -> list[Subscription]:
        return list(Subscription.objects.order_by("active_from", "created_at", "id"))

    def pick(self, number: int) -> Subscription | None:
        """Mostly the newest one that has not ended."""
        rows = [sub for sub in self.subscriptions if sub.active_to is None or sub.active_to > self.now or number > 1]
        return rows[-1 - number % len(rows)] if rows else None

    # -- acts

    def subscribe(self, plan: int, days: int, anchor: int | None, seats: str) -> None:
        """Starts `days` from now; `anchor` days before that, if given."""
        start = self.now + timedelta(days=days)
        self._act(
            f"subscribe plan={self.plans[plan].key} start={start} anchor={anchor} seats={seats}",
            lambda: start_subscription(
                customer=self.customer,
                plan=self.plans[plan],
                active_from=start,
                billing_anchor=None if anchor is None else start - timedelta(days=anchor),
                quantities={"seats": Decimal(seats)},
            ),
        )

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.log.append(f"wait {seconds} -> {self.now}")

    def wait_until_boundary(self, which: int, off: int) -> None:
        """To a period's end of the subscription, `off` seconds from it."""
        sub = self.pick(which)
        if sub is None:
            return
        found = list(
            InvoiceLine.objects.filter(subscription=sub, period_end__gt=self.now).values_list("period_end", flat=True)
        )
        if found:
            target = min(found) + timedelta(seconds=off)
            if target > self.now:
                self.now = target
                self.log.append(f"wait until {self.now}")

    def use(self, amount: str, ago: int, subject: str = "acme") -> None:
        self.events += 1
        moment = self.now - timedelta(seconds=ago)
        self.log.append(f"{subject} uses {amount} at {moment}")
        with clock.frozen_at(self.now):
            UsageEvent.objects.create(
                source="test",
                external_id=str(self.events),
                type="usage",
                subject=subject,
                time=moment,
                data={"amount": amount},
                ingested_at=self.now,
            )

    def close(self) -> None:
        """A preview is the invoice that follows; a second close writes nothing."""
        self.log.append(f"close at {self.now}")
        with clock.frozen_at(self.now):
            waits = ParkedCustomer.objects.filter(released_at=None).exists()
            before = digest()
            shown = preview_customer(customer_id=self.customer.id, until=self.now)
            assert digest() == before, "a preview wrote something"
            books = Books()
            run_due(as_of=self.now)
            assert foreseen(shown) == books.made_since()
            parked = list(ParkedCustomer.objects.filter(released_at=None).values_list("cause_code", "cause"))
            if parked:
                self.log.append(f"PARKED {parked}")
                assert parked[0][0] != "internal_error", parked
            assert bool(shown.problem) == bool(parked), f"the preview said {shown.cause}, the close {parked}"
            assert not shown.problem or (shown.problem.code == "customer_parked") == waits
            before = digest()
            run_due(as_of=self.now)
            assert digest() == before, "a second close wrote something"
        self.check(grace=timedelta(0))
        if not parked:
            assert_open_usage_waits(self.now)

    def change(self, which: int, plan: int, timing: Any, usage: str) -> None:
        sub = self.pick(which)
        if sub is None:
            return
        timing = self._timing(timing)
        self._previewed_act(
            f"change {sub.name} -> {self.plans[plan].key} {timing} {usage}",
            lambda preview: change_plan(
                subscription=Subscription.objects.get(pk=sub.pk),
                timing=timing,
                plan=self.plans[plan],
                usage=usage,
                preview=preview,
            ),
        )

    def cancel(self, which: int, timing: Any) -> None:
        sub = self.pick(which)
        if sub is None:
            return
        timing = self._timing(timing)
        self._previewed_act(
            f"cancel {sub.name} {timing}",
            lambda preview: cancel_subscription(
                subscription=Subscription.objects.get(pk=sub.pk), timing=timing, preview=preview
            ),
        )

    def unschedule(self, which: int) -> None:
        sub = self.pick(which)
        if sub is not None:
            self._act(f"unschedule {sub.name}", lambda: unschedule_cancelation(subscription=sub))

    def pause(self, which: int, timing: Any) -> None:
        sub = self.pick(which)
        if sub is None:
            return
        timing = self._timing(timing)
        self._previewed_act(
            f"pause {sub.name} {timing}",
            lambda preview: pause_subscription(
                subscription=Subscription.objects.get(pk=sub.pk), timing=timing, preview=preview
            ),
        )

    def resume(self, which: int, timing: Any) -> None:
        sub = self.pick(which)
        if sub is None:
            return
        timing = self._timing(timing)
        self._previewed_act(
            f"resume {sub.name} {timing}",
            lambda preview: resume_subscription(
                subscription=Subscription.objects.get(pk=sub.pk), timing=timing, preview=preview
            ),
        )

    def edit(self, which: int, kind: str, amount: str, timing: Any) -> None:
        sub = self.pick(which)
        if sub is None:
            return
        timing = self._timing(timing)
        phase = sub.phases.order_by("position").last()
        if phase is None:
            return
        amount = str(self.shop.price(Decimal(amount)))
        edits: list[Edit] = [RemoveItem(phase.key, "seats")]
        if kind == "seats":
            card = RateCardTerms(
                type="flat_fee", key="seats", name="Seats", billing_cadence=sub.billing_cadence, price=fee(amount)
            )
            edits = [AddItem(phase.key, card)]
        elif kind == "usage":
            card = RateCardTerms(
                type="usage_based",
                key="calls",
                name="Calls",
                billing_cadence="P1M",
                feature_key="calls",
                price={"type": "unit", "amount": amount},
            )
            edits = [AddItem(phase.key, card)]
        self._previewed_act(
            f"edit {sub.name} {kind} {amount} {timing}",
            lambda preview: edit_subscription(
                subscription=Subscription.objects.get(pk=sub.pk), timing=timing, edits=edits, preview=preview
            ),
        )

    def seats(self, which: int, quantity: str, mode: str, coupon: int | None, back: int) -> None:
        """`mode`: aligned, extended, next, backdated."""
        sub = self.pick(which)
        item = sub.items.filter(key="seats").first() if sub is not None else None
        if item is None:
            return
        update = ItemUpdate(
            product_id="seats",
            quantity=Decimal(quantity),
            align=mode in ("aligned", "extended"),
            extend=mode == "extended",
            coupon_code=None if coupon is None else self.coupons[coupon].code,
            effective_at=self.now - timedelta(seconds=back) if mode == "backdated" else None,
        )
        self._update(sub, item, update)

    def report(self, which: int, quantity: str, back: int | None) -> None:
        sub = self.pick(which)
        item = sub.items.filter(key="storage").first() if sub is not None else None
        if item is None:
            return
        start = None if back is None else self.now - timedelta(seconds=back)
        self._update(sub, item, ItemUpdate(product_id="storage", quantity=Decimal(quantity), usage_period_start=start))

    def _update(self, sub: Subscription, item: Any, update: ItemUpdate) -> None:
        values = {f.name: getattr(update, f.name) for f in fields(update)}

        def act(preview: bool) -> Any:
            return update_item(
                subscription_id=sub.pk,
                running_number=item.running_number,
                update=ItemUpdate(**(values | {"preview_only": preview})),
            )

        self._previewed_act(f"update {item.key} of {sub.name}: {update}", act)

    def addon_quantity(self, which: int, quantity: int, timing: Any) -> None:
        sub = self.pick(which)
        if sub is None:
            return
        timing = self._timing(timing)
        purchase = SubscriptionAddOn.objects.filter(subscription=sub).first()
        if purchase is None:
            self._act(
                f"buy {quantity} extra for {sub.name} {timing}",
                lambda: add_addon(subscription=sub, addon=self.addon, quantity=quantity, timing=timing),
            )
        else:
            self._act(
                f"{quantity} extra for {sub.name} {timing}",
                lambda: change_addon_quantity(purchase=purchase, quantity=quantity, timing=timing),
            )

    def bill_pending(self) -> None:
        self._act("invoice pending lines", lambda: invoice_pending_lines(customer=self.customer))

    def drop_draft(self, number: int, rebill: bool) -> None:
        drafts = list(Invoice.objects.filter(status__in=DRAFT_STATUSES).order_by("created_at", "id"))
        if drafts:
            draft = drafts[number % len(drafts)]
            self._act(
                f"delete draft {number} rebill={rebill}", lambda: delete_draft(invoice=draft, rebill=rebill, reason="x")
            )

    def approve(self, number: int) -> None:
        drafts = list(Invoice.objects.filter(status__in=DRAFT_STATUSES).order_by("created_at", "id"))
        if drafts:
            draft = drafts[number % len(drafts)]
            self._act(f"approve draft {number}", lambda: approve_invoice(invoice=draft))

    def settings(self, draft_period: str, interval: str, auto: bool) -> None:
        self.log.append(f"settings {draft_period} {interval} {auto}")
        make_default_profile(draft_period=draft_period, collection_interval=interval, auto_advance=auto)

    def park(self) -> None:
        """Parked for a cause that is gone, or released."""
        parked = ParkedCustomer.objects.filter(released_at=None)
        if parked.exists():
            parked.update(released_at=self.now)
            self.log.append("release")
        else:
            ParkedCustomer.objects.create(
                customer=self.customer, parked_at=self.now, cause_code="x", cause="Some cause."
            )
            self.log.append("park")

    def by_bank(self) -> None:
        self.log.append("pay by bank")
        app = BillingApp.objects.create(type="bank_transfer", name="Bank")
        make_default_profile(app=app, collection_method="send_invoice")

    # -- how an act is judged

    def _timing(self, timing: Any) -> Any:
        return self.now + timedelta(seconds=timing) if isinstance(timing, int) else timing

    def _act(self, what: str, act: Any) -> Any:
        """Do it; refused, it must have changed nothing."""
        before = digest()
        result = None
        try:
            with clock.frozen_at(self.now):
                result = act()
        except BillingError as error:
            self.log.append(f"{what}: REFUSED {type(error).__name__} {error.code}: {error.message}")
            assert digest() == before, f"{what} was refused, but changed something"
            return None
        self.log.append(what)
        self.check()
        return result

    def _previewed_act(self, what: str, act: Any) -> None:
        """Preview it, then do it: both come to the same, and the preview leaves nothing behind."""
        before = digest()
        shown: Any = None
        refused = None
        try:
            with clock.frozen_at(self.now):
                shown = figures(act(True))
        except BillingError as error:
            refused = (type(error), error.code)
        assert digest() == before, f"the preview of {what} wrote something"
        done = self._act(what, lambda: act(False))
        if done is None:
            assert shown is None, f"{what}: the preview showed {shown}, the act was refused: {self.log[-1]}"
        else:
            assert refused is None, f"{what}: the preview was refused ({refused}), the act was done"
            assert figures(done) == shown

    def check(self, grace: timedelta = timedelta(days=4000)) -> None:
        check(self.now, grace, self.usage)
