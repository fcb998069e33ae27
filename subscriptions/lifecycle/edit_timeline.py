"""Owns how edits move phases and items in time; on rows in memory, nothing is read or saved."""

from collections.abc import Sequence
from datetime import datetime

from core.errors import field_error
from core.periods import Duration, parse_cadence, zone_info
from subscriptions.lifecycle.edits import AddItem, AddPhase, Edit, RemoveItem, RemovePhase, StretchPhase, UnscheduleEdit
from subscriptions.lifecycle.facts import calendar_of
from subscriptions.lifecycle.place_subscription import revision_of
from subscriptions.models import ItemRevision, Subscription, SubscriptionItem, SubscriptionPhase
from subscriptions.schedule.billing_calendar import period_at


class Timeline:
    """The phases of a subscription with the revisions in them, changed with effect from `at` as of `now` (UTC).

    What is removed stays, without any time. `moved` maps the revisions that begin at another time to when they did.
    """

    def __init__(
        self,
        subscription: Subscription,
        phases: Sequence[SubscriptionPhase],
        revisions: Sequence[ItemRevision],
        items: Sequence[SubscriptionItem],
        *,
        at: datetime,
        now: datetime,
    ) -> None:
        self.subscription, self.at, self.now = subscription, at, now
        self.phases = sorted((p for p in phases if p.active_to != p.active_from), key=lambda p: p.active_from)
        self.gone = [p for p in phases if p.active_to == p.active_from]
        self.revisions = list(revisions)
        self.items = {item.key: item for item in items}
        self.moved: dict[ItemRevision, datetime] = {}

    def apply(self, edit: Edit, field: str) -> None:
        """Carry out one edit. InvalidInput, naming `field`, where it makes no sense here."""
        self.field = field
        if isinstance(edit, AddItem):
            self._add_item(edit)
        elif isinstance(edit, RemoveItem):
            self._remove_item(edit)
        elif isinstance(edit, AddPhase):
            self._add_phase(edit)
        elif isinstance(edit, RemovePhase):
            self._remove_phase(edit)
        elif isinstance(edit, StretchPhase):
            self._stretch_phase(edit)
        elif isinstance(edit, UnscheduleEdit):
            self._unschedule()

    def _add_item(self, edit: AddItem) -> None:
        phase = self._open_phase(edit.phase_key)
        self._refuse_addon(edit.card.key)
        start = max(self.at, phase.active_from)
        ended = self._end_items(phase, edit.card.key, start)
        if ended and not self.subscription.pro_rating_enabled and start != phase.active_from:
            calendar = calendar_of(self.subscription)
            own = (parse_cadence(r.billing_cadence) for r in self.revisions if r.item.key == edit.card.key)
            cadences = {calendar.cadence, *(cadence for cadence in own if cadence is not None)}
            if any(period_at(calendar, cadence, start).start != start for cadence in cadences):
                raise self._wrong("no_proration", "Whole periods are billed: give the new price at the next cycle.")
        of_addons = [r for r in self.revisions if r.item.purchase_id is not None and _overlaps(r, phase)]
        for other in (*self._in(phase), *of_addons):
            by_usage = other.price is not None and other.price["type"] != "flat"
            clashes = by_usage and not edit.card.is_flat and edit.card.price is not None
            if (
                clashes
                and edit.card.feature_key
                and other.feature_key == edit.card.feature_key
                and _lasts(other, start)
            ):
                raise self._wrong(
                    "feature_billed_twice", f"{other.item.key} bills usage of {other.feature_key} already."
                )
            entitles_too = edit.card.entitlement_template is not None and other.entitlement_template is not None
            if entitles_too and other.feature_key == edit.card.feature_key and _lasts(other, start):
                raise self._wrong(
                    "feature_entitled_twice", f"{other.item.key} entitles to {other.feature_key} already."
                )
        item = self.items.get(edit.card.key)
        if item is None:
            number = max((known.running_number for known in self.items.values()), default=0) + 1
            item = SubscriptionItem(subscription=self.subscription, running_number=number, key=edit.card.key)
            self.items[item.key] = item
        revision = revision_of(edit.card, item=item, phase=phase, start=start, end=phase.active_to)
        revision.is_edited = True
        self.revisions.append(revision)

    def _remove_item(self, edit: RemoveItem) -> None:
        phase = self._open_phase(edit.phase_key)
        self._refuse_addon(edit.item_key)
        if not self._end_items(phase, edit.item_key, max(self.at, phase.active_from)):
            raise self._wrong("item_not_found", f"Phase {phase.key} has no item {edit.item_key} then.")

    def _add_phase(self, edit: AddPhase) -> None:
        if any(phase.key == edit.key for phase in (*self.phases, *self.gone)):
            raise self._wrong("phase_exists", f"There is, or was, a phase {edit.key}.")
        start = edit.start_after.after(self.subscription.active_from, self.subscription.time_zone)
        if start <= self.at:
            raise self._wrong("in_the_past", f"It would begin on {start:%Y-%m-%d %H:%M} UTC, which is over by then.")
        behind = [phase for phase in self.phases if phase.active_from >= start]
        end = None
        if behind:
            if edit.duration is None:
                raise self._wrong("required", "A phase that is not the last needs a duration.")
            end = edit.duration.after(start, self.subscription.time_zone)
            self._shift(behind, self._wall_time(behind[0].active_from, end))
        before = [phase for phase in self.phases if phase.active_from < start]
        for phase in before[-1:]:
            self._end_phase(phase, start)
        added = SubscriptionPhase(
            subscription=self.subscription,
            key=edit.key,
            name=edit.name,
            description=edit.description,
            active_from=start,
            active_to=end,
        )
        self.phases = [*before, added, *behind]

    def _remove_phase(self, edit: RemovePhase) -> None:
        phase = self._phase(edit.phase_key)
        if phase.active_from <= self.at:
            raise self._wrong("phase_begun", f"Phase {phase.key} has begun: only one to come can be removed.")
        index = self.phases.index(phase)
        before, behind = self.phases[index - 1], self.phases[index + 1 :]
        start, end = phase.active_from, phase.active_to
        self._end_phase(phase, start)
        self.phases.remove(phase)
        self.gone.append(phase)
        if edit.shift == "next" and behind:
            assert end is not None
            self._shift(behind, self._wall_time(end, start))
        else:
            self._end_phase(before, end)

    def _stretch_phase(self, edit: StretchPhase) -> None:
        phase = self._open_phase(edit.phase_key)
        if phase.active_to is None:
            raise self._wrong("no_end", f"Phase {phase.key} has no end that could be moved.")
        self._shift(self.phases[self.phases.index(phase) + 1 :], edit.extend_by)
        self._end_phase(phase, edit.extend_by.after(phase.active_to, self.subscription.time_zone))

    def _unschedule(self) -> None:
        current = [phase for phase in self.phases if phase.active_from <= self.now and _lasts(phase, self.now)]
        for phase in current:
            for revision in self._in(phase):
                if revision.active_from > self.now:
                    revision.active_to = revision.active_from
                elif _lasts(revision, self.now):
                    revision.active_to = phase.active_to

    def _end_items(self, phase: SubscriptionPhase, key: str, moment: datetime) -> bool:
        """End the item's revisions in the phase at `moment`; whether there was one."""
        ended = False
        for revision in self._in(phase):
            if revision.item.key == key and _lasts(revision, moment):
                revision.active_to = max(moment, revision.active_from)
                ended = True
        return ended

    def _end_phase(self, phase: SubscriptionPhase, moment: datetime | None) -> None:
        """Let the phase end at `moment`, and with it what would have lasted as long as it did, or longer."""
        for revision in self._in(phase):
            ends_with_it = revision.active_to == phase.active_to
            if ends_with_it or (moment is not None and _lasts(revision, moment)):
                revision.active_to = None if moment is None else max(moment, revision.active_from)
        phase.active_to = moment

    def _shift(self, phases: Sequence[SubscriptionPhase], length: Duration) -> None:
        zone = self.subscription.time_zone
        for phase in phases:
            rows: list[SubscriptionPhase | ItemRevision] = [*self._in(phase), phase]
            for row in rows:
                start = row.active_from
                row.active_from = length.after(start, zone)
                if row.active_to is not None:
                    row.active_to = length.after(row.active_to, zone)
                if isinstance(row, ItemRevision):
                    self.moved.setdefault(row, start)

    def _wall_time(self, old: datetime, new: datetime) -> Duration:
        """From `old` to `new` in days by the calendar and seconds by the clock; may be negative."""
        zone = zone_info(self.subscription.time_zone)
        length = new.astimezone(zone).replace(tzinfo=None) - old.astimezone(zone).replace(tzinfo=None)
        return Duration("", 0, length.days, length.seconds)

    def _in(self, phase: SubscriptionPhase) -> list[ItemRevision]:
        """The revisions of the phase that have any time. Those of add-ons keep to their purchase, not to phases."""
        own = (r for r in self.revisions if r.phase == phase and r.item.purchase_id is None)
        return [r for r in own if r.active_to != r.active_from]

    def _refuse_addon(self, key: str) -> None:
        item = self.items.get(key)
        if item is not None and item.purchase is not None:
            raise self._wrong(
                "addon_item",
                f"Item {item.running_number} ({key}) belongs to the add-on {item.purchase.name}: change the quantity "
                "of that purchase instead.",
            )

    def _phase(self, key: str) -> SubscriptionPhase:
        for phase in self.phases:
            if phase.key == key:
                return phase
        keys = ", ".join(phase.key for phase in self.phases)
        raise self._wrong("phase_not_found", f"There is no phase {key}. Choose one of: {keys}.")

    def _open_phase(self, key: str) -> SubscriptionPhase:
        phase = self._phase(key)
        if not _lasts(phase, self.at):
            raise self._wrong(
                "phase_over", f"Phase {key} ends on {phase.active_to:%Y-%m-%d %H:%M} UTC, before the edit."
            )
        return phase

    def _wrong(self, code: str, message: str) -> Exception:
        return field_error(self.field, code, f"{message} Nothing was changed.")


def _overlaps(revision: ItemRevision, phase: SubscriptionPhase) -> bool:
    begins_before_it_ends = phase.active_to is None or revision.active_from < phase.active_to
    return begins_before_it_ends and revision.active_to != revision.active_from and _lasts(revision, phase.active_from)


def _lasts(row: SubscriptionPhase | ItemRevision, moment: datetime) -> bool:
    return row.active_to is None or row.active_to > moment
