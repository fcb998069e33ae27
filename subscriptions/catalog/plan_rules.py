"""What makes a plan sellable: every rule, checked in one pass, each breach named by its dotted path."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.errors import FieldProblem, InvalidInput
from core.jsontext import json_number
from core.money import exponent
from core.periods import parse_cadence, parse_duration
from subscriptions.catalog.plan_terms import AddOnTerms, PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.choices import InstanceType, RateCardType
from subscriptions.pricing import Price, parse_discounts, parse_price

SETTLEMENT_MODES = ("credit_then_invoice", "credit_only")
_STRIPE_TAX_CODE = re.compile(r"txcd_\d{8}", re.ASCII)
_TEMPLATE_FIELDS = {
    "metered": (
        "isSoftLimit",
        "issueAfterReset",
        "issueAfterResetPriority",
        "preserveOverageAtReset",
        "usagePeriod",
    ),
    "static": ("config",),
    "boolean": (),
}


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """What the rules need to know of a feature in the catalog. `uses_up`: its meter says how much was used, and not how
    much it was on average or at least."""

    id: UUID
    has_meter: bool
    uses_up: bool


def checked(terms: PlanTerms, features: Mapping[str, FeatureFacts], *, path: str = "") -> PlanTerms:
    """`terms` with its features resolved and its prices in their normal form; `path` is put before every field.

    `features` maps the keys of unarchived features to what is known of them. InvalidInput lists every breach.
    """
    rules = _Rules(features, f"{path}." if path else "")
    phases = tuple(rules.phase(index, phase, len(terms.phases)) for index, phase in enumerate(terms.phases))
    rules.plan(terms)
    rules.refuse("plan")
    return replace(terms, phases=phases)


def checked_addon(terms: AddOnTerms, features: Mapping[str, FeatureFacts]) -> AddOnTerms:
    """As `checked`, for an add-on. One that is sold in any quantity has flat prices only: usage has no quantity."""
    rules = _Rules(features, "")
    cards = rules.cards("rateCards", terms.rate_cards)
    rules.addon(terms)
    rules.refuse("addon")
    return replace(terms, rate_cards=cards)


class _Rules:
    """Collects what is wrong."""

    def __init__(self, features: Mapping[str, FeatureFacts], prefix: str) -> None:
        self.features = features
        self.prefix = prefix
        self.problems: list[FieldProblem] = []

    def wrong(self, field: str, code: str, message: str) -> None:
        self.problems.append(FieldProblem(f"{self.prefix}{field}", code, message))

    def attempt(self, read: Callable[[], Any], field: str) -> Any:
        """What `read` answers; None, with what it found noted, where it raises."""
        try:
            return read()
        except InvalidInput as error:
            found = [replace(problem, field=f"{self.prefix}{problem.field}") for problem in error.problems]
            self.problems += found or [FieldProblem(f"{self.prefix}{field}", error.code, error.message)]
            return None

    def refuse(self, what: str) -> None:
        """InvalidInput with everything that was found wrong with the `what`, if anything was."""
        if self.problems:
            more = f" (and {len(self.problems) - 3} more)" if len(self.problems) > 3 else ""
            said = " ".join(f"{problem.field}: {problem.message}" for problem in self.problems[:3])
            raise InvalidInput(
                f"The {what} was not saved. {said}{more}", code=f"invalid_{what}", problems=self.problems
            )

    def addon(self, terms: AddOnTerms) -> None:
        self.attempt(lambda: exponent(terms.currency), "currency")
        if not terms.rate_cards:
            self.wrong("rateCards", "required", "An add-on needs at least one rate card.")
        for n, card in enumerate(terms.rate_cards):
            by_usage = card.price is not None and not card.is_flat
            if terms.instance_type == InstanceType.MULTIPLE and by_usage:
                self.wrong(
                    f"rateCards.{n}.price.type",
                    "not_flat",
                    "An add-on that is sold in any quantity has flat prices only; make it single, or the price flat.",
                )

    def plan(self, terms: PlanTerms) -> None:
        self.attempt(lambda: exponent(terms.currency), "currency")
        self.attempt(lambda: parse_cadence(terms.billing_cadence), "billingCadence")
        if terms.settlement_mode not in SETTLEMENT_MODES:
            self.wrong("settlementMode", "not_a_choice", f"Must be one of: {', '.join(SETTLEMENT_MODES)}.")
        if not terms.phases:
            self.wrong("phases", "required", "A plan needs at least one phase.")
        self.duplicates(((f"phases.{index}.key", phase.key) for index, phase in enumerate(terms.phases)), "phase")

    def phase(self, index: int, phase: PhaseTerms, count: int) -> PhaseTerms:
        at = f"phases.{index}"
        is_last = index == count - 1
        if phase.duration is not None:
            length = self.attempt(lambda: parse_duration(phase.duration, field=f"{at}.duration"), f"{at}.duration")
            if is_last:
                self.wrong(f"{at}.duration", "last_phase_ends", "The last phase has no end: leave its duration out.")
            elif length is not None and length.is_zero:
                self.wrong(f"{at}.duration", "no_time", "A phase must last longer than no time.")
        elif not is_last:
            self.wrong(f"{at}.duration", "required", "Every phase but the last needs a duration.")
        return replace(phase, rate_cards=self.cards(f"{at}.rateCards", phase.rate_cards))

    def cards(self, at: str, given: Sequence[RateCardTerms]) -> tuple[RateCardTerms, ...]:
        cards = tuple(self.card(f"{at}.{n}", card) for n, card in enumerate(given))
        self.duplicates(((f"{at}.{n}.key", card.key) for n, card in enumerate(cards)), "rate card")
        by_usage = (
            (f"{at}.{n}.featureKey", card.feature_key)
            for n, card in enumerate(cards)
            if card.feature_key and card.price is not None and not card.is_flat
        )
        self.duplicates(by_usage, "usage price of the feature")
        entitling = (
            (f"{at}.{n}.entitlementTemplate", c.feature_key) for n, c in enumerate(cards) if c.entitlement_template
        )
        self.duplicates(entitling, "entitlement to the feature")
        return cards

    def card(self, at: str, card: RateCardTerms) -> RateCardTerms:
        price: Price | None = self.attempt(lambda: parse_price(card.price, f"{at}.price"), f"{at}.price")
        discounts = self.attempt(
            lambda: parse_discounts(card.discounts, f"{at}.discounts", price=price), f"{at}.discounts"
        )
        cadence = f"{at}.billingCadence"
        self.attempt(lambda: parse_cadence(card.billing_cadence, field=cadence), cadence)
        if card.type == RateCardType.FLAT_FEE and price is not None and not price.is_flat:
            self.wrong(f"{at}.price.type", "not_flat", "A flat fee has a flat price; use the type usage_based.")
        if card.type == RateCardType.USAGE_BASED and card.billing_cadence is None:
            self.wrong(cadence, "required", "What is billed by usage needs a billing cadence such as P1M.")
        feature = self.feature(at, card, price)
        template = self.template(f"{at}.entitlementTemplate", card, feature)
        self.tax(f"{at}.taxConfig", card.tax_config)
        return replace(
            card,
            feature_id=feature.id if feature else None,
            price=price.to_wire() if price else None,
            discounts=discounts.to_wire() if discounts else None,
            entitlement_template=template,
        )

    def feature(self, at: str, card: RateCardTerms, price: Price | None) -> FeatureFacts | None:
        feature = self.features.get(card.feature_key) if card.feature_key else None
        if card.feature_key and feature is None:
            self.wrong(f"{at}.featureKey", "feature_not_found", f"There is no feature {card.feature_key} in use.")
        if price is not None and price.type == "dimensional" and not (feature and feature.has_meter):
            self.wrong(f"{at}.price", "no_meter", "A dimensional price needs a feature with a meter.")
        elif card.type == RateCardType.USAGE_BASED and price is not None and not (price.is_flat or card.feature_key):
            self.wrong(f"{at}.featureKey", "no_feature", "A usage price needs a feature, which says what to count.")
        return feature

    def template(self, at: str, card: RateCardTerms, feature: FeatureFacts | None) -> dict[str, Any] | None:
        template = {name: value for name, value in (card.entitlement_template or {}).items() if value is not None}
        if not template:
            return None
        kind = template.get("type")
        if kind not in _TEMPLATE_FIELDS:
            self.wrong(f"{at}.type", "not_a_choice", f"Must be one of: {', '.join(_TEMPLATE_FIELDS)}.")
            return None
        if not card.feature_key:
            self.wrong(at, "no_feature", "An entitlement is to a feature: give featureKey.")
        for name in template:
            if name not in ("type", "metadata", *_TEMPLATE_FIELDS[kind]):
                known = ", ".join(("type", "metadata", *_TEMPLATE_FIELDS[kind]))
                self.wrong(f"{at}.{name}", "unknown_field", f"A {kind} entitlement has no {name}. Known here: {known}.")
        if kind == "static":
            self.static_config(f"{at}.config", template.get("config"))
        if kind == "metered":
            self.metered(at, template, feature)
        # A JSON column takes no Decimal.
        return {name: json_number(value) if isinstance(value, Decimal) else value for name, value in template.items()}

    def static_config(self, at: str, config: Any) -> None:
        try:
            is_object = isinstance(config, str) and isinstance(json.loads(config), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            self.wrong(at, "not_an_object", "Must be a text that holds a JSON object.")

    def metered(self, at: str, template: Mapping[str, Any], feature: FeatureFacts | None) -> None:
        if feature is not None and not feature.has_meter:
            self.wrong(at, "no_meter", "A metered entitlement needs a feature with a meter.")
        elif feature is not None and not feature.uses_up:
            message = (
                "Its feature's meter takes an average or a minimum, which uses nothing up: entitle to another one."
            )
            self.wrong(at, "not_measurable", message)
        for name in ("isSoftLimit", "preserveOverageAtReset"):
            if not isinstance(template.get(name, False), bool):
                self.wrong(f"{at}.{name}", "not_a_boolean", "Must be true or false.")
        amount = template.get("issueAfterReset", 0)
        if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal) or not 0 <= amount < 10**15:
            self.wrong(f"{at}.issueAfterReset", "not_a_number", "Must be a number of at least 0.")
        priority = template.get("issueAfterResetPriority", 1)
        if isinstance(priority, bool) or not isinstance(priority, int) or not 1 <= priority <= 255:
            self.wrong(f"{at}.issueAfterResetPriority", "not_a_number", "Must be a whole number from 1 to 255.")
        period = f"{at}.usagePeriod"
        self.attempt(lambda: parse_cadence(template.get("usagePeriod"), field=period), period)

    def tax(self, at: str, config: Mapping[str, Any] | None) -> None:
        config = config or {}
        self.only(at, config, ("behavior", "stripe"))
        if config.get("behavior") not in (None, "inclusive", "exclusive"):
            self.wrong(f"{at}.behavior", "not_a_choice", "Must be inclusive or exclusive.")
        stripe = config.get("stripe")
        code = stripe.get("code") if isinstance(stripe, Mapping) else None
        self.only(f"{at}.stripe", stripe if isinstance(stripe, Mapping) else {}, ("code",))
        if stripe is not None and not (isinstance(code, str) and _STRIPE_TAX_CODE.fullmatch(code)):
            self.wrong(f"{at}.stripe.code", "bad_tax_code", "Must be a Stripe tax code such as txcd_10000000.")

    def only(self, at: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for name in given:
            if name not in known:
                message = f"There is no such field. Known here: {', '.join(known)}."
                self.wrong(f"{at}.{name}", "unknown_field", message)

    def duplicates(self, found: Iterable[tuple[str, str | None]], what: str) -> None:
        listed = list(found)
        seen: Counter[str | None] = Counter()
        for field, value in listed:
            seen[value] += 1
            if seen[value] == 2:
                self.wrong(field, "duplicate", f"There is another {what} {value} before it.")


def feature_keys(cards: Iterable[RateCardTerms]) -> Iterator[str]:
    """The keys of all features that the rate cards name."""
    return (card.feature_key for card in cards if card.feature_key)
