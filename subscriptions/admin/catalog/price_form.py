"""The part of a form that asks for a price: its model, its figures, discounts and commitments, as fields to fill in."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from core.admin.fields import DecimalTextInput, GroupedForm, RowsField
from core.errors import FieldProblem, InvalidInput
from subscriptions.pricing import IN_ADVANCE, IN_ARREARS, parse_discounts, parse_price

FREE: Final = "free"
MODELS: Final = (
    ("flat", "Flat: a fee for each period"),
    ("unit", "Unit: the same for each unit"),
    ("package", "Package: for each started package of units"),
    ("graduated", "Graduated: each unit at its tier's price"),
    ("volume", "Volume: all units at the tier that is reached"),
    ("dynamic", "Dynamic: the events bring their amounts"),
    ("percentage", "Percentage of the amounts in the events"),
    (FREE, "Free: included, nothing is charged"),
)
BY_DIMENSION: Final = ("dimensional", "By dimension: from the meter's rate card")
_BY_USAGE: Final = ("unit", "package", "graduated", "volume", "dynamic", "percentage", "dimensional")
_PRICED: Final = ("flat", *_BY_USAGE)
# Which fields a model has. The page shows no others, and a value in another one is refused.
SHOWN_FOR: Final[Mapping[str, Sequence[str]]] = {
    "amount": ("flat", "unit", "package"),
    "payment_term": ("flat",),
    "package_size": ("package",),
    "tiers": ("graduated", "volume"),
    "multiplier": ("dynamic",),
    "percentage": ("percentage",),
    "fee_per_event": ("percentage",),
    "free_units": _BY_USAGE,
    "discount": _PRICED,
    "minimum": _BY_USAGE,
    "maximum": _BY_USAGE,
}
# Not marked as optional where they are shown: either needed then, or never empty.
NEEDED: Final = ("amount", "payment_term", "package_size", "tiers", "percentage")
PRICE_FIELDS: Final = ("model", *SHOWN_FOR)
# Where the rules of prices find a fault -> the field that asked for it.
_ASKED_BY: Final = (
    ("price.tiers", "tiers"),
    ("price.amount", "amount"),
    ("price.paymentTerm", "payment_term"),
    ("price.quantityPerPackage", "package_size"),
    ("price.multiplier", "multiplier"),
    ("price.percentage", "percentage"),
    ("price.fixedFeePerEvent", "fee_per_event"),
    ("price.minimumAmount", "minimum"),
    ("price.maximumAmount", "maximum"),
    ("discounts.percentage", "discount"),
    ("discounts.usage", "free_units"),
    ("price", "model"),
)
_TIER_WORDS: Final = {"upToAmount": "up to", "flatPrice": "flat amount", "unitPrice": "amount per unit"}
_IN_MESSAGES: Final = {"flatPrice": "flat amount", "unitPrice": "amount per unit", "maximumAmount": "the most"}


def _figure(label: str, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label, required=False, max_length=64, help_text=help_text, widget=DecimalTextInput(), strip=True
    )


class PriceForm(GroupedForm):
    """Adds `price` and `discounts`, as on the wire, to the answers; `initial["by_dimension"]` offers that model."""

    model = forms.ChoiceField(label="Price model", choices=MODELS, widget=UnfoldAdminSelectWidget)
    amount = _figure("Amount", "For a period, a unit or a package.")
    payment_term = forms.ChoiceField(
        label="Charged",
        required=False,
        choices=((IN_ADVANCE, "in advance"), (IN_ARREARS, "in arrears")),
        widget=UnfoldAdminSelectWidget,
    )
    package_size = _figure("Units in a package")
    tiers = RowsField(
        (("up_to", "Up to and including"), ("unit", "For each unit"), ("flat", "Flat, once")),
        noun="tier",
        label="Tiers",
        required=False,
        help_text="In ascending order. The last tier has no end: leave “up to” empty there.",
    )
    multiplier = _figure("Multiplier", "The events' amounts are charged times this; 1 where nothing is said.")
    percentage = _figure("Percentage", "Such as 2.9, of the metered amount.")
    fee_per_event = _figure("Fee for each event")
    free_units = _figure("Free units", "The first units of each period.")
    discount = _figure("Discount in per cent", "Off every charge, such as 10.")
    minimum = _figure("At least", "The least that a period is billed, net.")
    maximum = _figure("At most", "The most that a period is billed, net.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.initial.get("by_dimension"):
            self.fields["model"].choices = (*MODELS, BY_DIMENSION)  # type: ignore[attr-defined]
        for name, models in SHOWN_FOR.items():
            self.fields[name].shown_for = f"model {' '.join(models)}"  # type: ignore[attr-defined]

        for name in NEEDED:
            self.fields[name].needed = True  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        model = answers.get("model")
        if model is None:
            return answers
        for name, models in SHOWN_FOR.items():
            # What is charged when has an answer always; it says something of flat prices only.
            if name != "payment_term" and answers.get(name) and model not in models:
                self.add_error(name, "This price model has none: leave it empty.")
        try:
            price = parse_price(_wire_price(model, answers))
            discounts = parse_discounts(_wire_discounts(answers), price=price)
        except InvalidInput as error:
            self._explain(error.problems)
            return answers
        answers["price"] = price.to_wire() if price is not None else None
        answers["discounts"] = discounts.to_wire() or None
        return answers

    def _explain(self, problems: Iterable[FieldProblem]) -> None:
        for problem in problems:
            name = next(name for path, name in _ASKED_BY if problem.field.startswith(path))
            self.add_error(name, _in_words(problem, str(self.fields[name].label)))


def initial_price(price: Mapping[str, Any] | None, discounts: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a `PriceForm` starts with to show this price, as it is on the wire."""
    price, discounts = price or {}, discounts or {}
    kind = price.get("type", FREE)
    return {
        "model": price.get("mode") if kind == "tiered" else kind,
        "amount": price.get("amount"),
        "payment_term": price.get("paymentTerm"),
        "package_size": price.get("quantityPerPackage"),
        "tiers": [
            {
                "up_to": tier.get("upToAmount"),
                "unit": (tier.get("unitPrice") or {}).get("amount"),
                "flat": (tier.get("flatPrice") or {}).get("amount"),
            }
            for tier in price.get("tiers") or ()
        ],
        "multiplier": price.get("multiplier"),
        "percentage": _plain(price.get("percentage")),
        "fee_per_event": price.get("fixedFeePerEvent"),
        "minimum": price.get("minimumAmount"),
        "maximum": price.get("maximumAmount"),
        "discount": _plain((discounts.get("percentage") or {}).get("percentage")),
        "free_units": (discounts.get("usage") or {}).get("quantity"),
        "by_dimension": kind == "dimensional",
    }


def _plain(number: Any) -> str | None:
    # Percentages are JSON numbers on the wire; the shortest text of one is what was written.
    return None if number is None else format(Decimal(str(number)), "f")


def _wire_price(model: str, answers: Mapping[str, Any]) -> dict[str, Any] | None:
    if model == FREE:
        return None
    names = {
        "amount": "amount",
        "payment_term": "paymentTerm",
        "package_size": "quantityPerPackage",
        "multiplier": "multiplier",
        "percentage": "percentage",
        "fee_per_event": "fixedFeePerEvent",
        "minimum": "minimumAmount",
        "maximum": "maximumAmount",
    }
    wire = {
        wire_name: answers[name] for name, wire_name in names.items() if model in SHOWN_FOR[name] and answers.get(name)
    }
    if model in ("graduated", "volume"):
        return wire | {"type": "tiered", "mode": model, "tiers": [_wire_tier(row) for row in answers["tiers"]]}
    return wire | {"type": model}


def _wire_tier(row: Mapping[str, str]) -> dict[str, Any]:
    tier: dict[str, Any] = {"upToAmount": row["up_to"]} if row["up_to"] else {}
    for name, kind in (("flat", "flatPrice"), ("unit", "unitPrice")):
        if row[name]:
            tier[kind] = {"type": name, "amount": row[name]}
    return tier


def _wire_discounts(answers: Mapping[str, Any]) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    if answers.get("discount"):
        wire["percentage"] = {"percentage": answers["discount"]}
    if answers.get("free_units"):
        wire["usage"] = {"quantity": answers["free_units"]}
    return wire


def _in_words(problem: FieldProblem, label: str) -> str:
    """The problem, with what the form calls its field in place of the path on the wire."""
    parts = problem.field.split(".")
    if parts[:2] == ["price", "tiers"] and len(parts) > 2:
        more = f", {_TIER_WORDS[parts[3]]}" if len(parts) > 3 and parts[3] in _TIER_WORDS else ""
        label = f"Tier {int(parts[2]) + 1}{more}"
    message = problem.message.replace(problem.field, label)
    for wire, words in _IN_MESSAGES.items():
        message = message.replace(wire, words)
    return message
