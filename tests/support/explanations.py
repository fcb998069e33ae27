"""What the two texts of a line's explanation say, read back from their words: that of REST and that of the admin.

A sentence, a fact or a row that is not understood fails.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from invoicing.admin.rating.line_explanation import LineExplanation, Step


@dataclass
class Said:
    """What a text says. Times are to the second; shares with their unit, which is empty for a mere proportion."""

    window: tuple[datetime, datetime] | None = None
    full_period: tuple[datetime, datetime] | None = None
    source: str = "item"
    price: str = ""
    coupon: tuple[str, Decimal, str] | None = None
    same_time: str = ""
    quantities: dict[str, Decimal] = field(default_factory=dict)
    packages: tuple[Decimal, ...] = ()
    parts: list[list] = field(default_factory=list)
    nothing: bool = False
    maximum: Decimal | None = None
    minimum: tuple | None = None
    billed_earlier: Decimal | None = None
    net: tuple[Decimal, str] | None = None


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("−", "-"))


def share_said(text: str) -> tuple[Fraction, str]:
    """`15/30 days`, `15 of 30 days`, `3/7`."""
    part, whole, unit = re.fullmatch(r"([\d.,]+)(?: of |/)([\d.,]+)(?: (\w+))?", text).groups()
    return Fraction(number(part)) / Fraction(number(whole)), unit or ""


def reason_said(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").casefold()


# What REST says.

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? UTC"
SHARE = r"[\d.]+/[\d.]+(?: [a-z]+)?"
PART = re.compile(
    rf"(?P<name>.+?)(?: \((?P<start>{TIME}) to (?P<end>{TIME})\))?: (?P<quantity>-?[\d.]+) × (?P<price>-?[\d.]+)"
    rf"(?: × (?P<share>{SHARE}))? = (?P<amount>-?[\d.]+)(?P<rest>.*)"
)
TAKEN = re.compile(r", − (-?[\d.]+) \((.+?)\)")


def moment(text: str) -> datetime:
    text = text.removesuffix(" UTC")
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rest_says(sentences: list[str]) -> Said:
    said = Said()
    for sentence in sentences:
        label, _, value = sentence.partition(": ")
        if label in ("Service period", "Part of the full period"):
            start, end = (moment(text) for text in value.split(" to "))
            if label == "Service period":
                said.window = (start, end)
            else:
                said.full_period = (start, end)
        elif sentence.startswith("Metered by "):
            said.source = sentence.removeprefix("Metered by ")
        elif sentence == "Not reported yet":
            said.source = "report awaited"
        elif sentence.startswith("Reported on "):
            said.source = f"report {moment(sentence.removeprefix('Reported on '))}"
        elif sentence.startswith("Priced by "):
            said.price = sentence.removeprefix("Priced by ")
        elif sentence.startswith("Coupon "):
            said.coupon = coupon_said(sentence.removeprefix("Coupon "))
        elif sentence.startswith("A charge for the same time comes to "):
            said.same_time = sentence.removeprefix("A charge for the same time comes to ")
        elif label == "Billed earlier in the period":
            said.quantities["earlier"] = number(value)
        elif label == "Quantity":
            said.quantities |= quantity_said(value)
        elif label.startswith("Packages of "):
            size, total, rest_size, started, billed = re.fullmatch(
                r"Packages of ([\d.]+) units: ([\d.]+) / ([\d.]+), rounded up = (\d+)"
                r"(?:, (\d+) of them billed earlier)?",
                sentence,
            ).groups()
            assert size == rest_size
            said.packages = (Decimal(total), Decimal(size), Decimal(started), Decimal(billed or 0))
        elif label == "Maximum spend of the period":
            maximum, _, earlier = value.partition("; earlier parts of the period came to ")
            said.maximum, said.billed_earlier = Decimal(maximum), Decimal(earlier or 0)
        elif label == "Minimum spend of the period":
            minimum, _, earlier = value.partition("; earlier parts of the period came to ")
            said.minimum, said.billed_earlier = minimum_said(minimum), Decimal(earlier or 0)
        elif label == "Net":
            amount, currency = value.rpartition("= ")[2].split()
            said.net = (Decimal(amount), currency)
        elif sentence == "Nothing to charge.":
            said.nothing = True
        else:
            said.parts.append(part_said(sentence))
    return said


def coupon_said(text: str) -> tuple[str, Decimal, str]:
    code, amount, percent = re.fullmatch(r"(\w+): (?:up to )?([\d.,]+)( %)?.*", text).groups()
    return code, number(amount), "%" if percent else "off"


def quantity_said(text: str) -> dict[str, Decimal]:
    window, free, of, priced, other = re.fullmatch(
        r"([\d.]+)(?: − ([\d.]+) of ([\d.]+) free = ([\d.]+))?(?:, priced as ([\d.]+))?", text
    ).groups()
    said = {"window": Decimal(window), "priced": Decimal(priced or other or window)}
    return said | ({"free": Decimal(free), "of": Decimal(of)} if free else {})


def minimum_said(text: str) -> tuple:
    """Of what, for which share of the period, what is due, and the maximum that bounds it."""
    whole, part, due, _, capped = re.fullmatch(
        r"(?:([\d.,]+) × (.+?) = )?([\d.,]+)(?: [A-Z]{3})?"
        r"(, at most the maximum(?: spend)? of ([\d.,]+)(?: [A-Z]{3})?)?",
        text,
    ).groups()
    return whole and number(whole), part and share_said(part), number(due), capped and number(capped)


def part_said(sentence: str) -> list:
    found = PART.fullmatch(sentence)
    assert found, f"not understood: {sentence}"
    taken = [(number(amount), reason_said(why)) for amount, why in TAKEN.findall(found["rest"])]
    amount = Decimal(found["amount"])
    rest = TAKEN.sub("", found["rest"])
    assert rest == (f" = {amount - sum(each for each, _ in taken)}" if taken else ""), sentence
    times = (moment(found["start"]), moment(found["end"])) if found["start"] else None
    shared = share_said(found["share"]) if found["share"] else None
    return [found["name"], times, Decimal(found["quantity"]), Decimal(found["price"]), shared, amount, taken]


# What the admin says.

TERMS = ("Price", "Discounts", "Events charged")
"""What the line was agreed to cost stands in the admin alone: over REST the rate card is beside the explanation."""


def times_in(html: str) -> tuple[datetime, datetime]:
    start, end = (datetime.fromisoformat(text).replace(microsecond=0) for text in re.findall(r'datetime="(.+?)"', html))
    return start, end


def admin_says(shown: LineExplanation) -> Said:
    said = Said()
    for label, fact in shown.facts:
        if label in TERMS:
            continue
        if label == "Service period":
            said.window = times_in(fact)
        elif label == "Part of the full period":
            said.full_period = times_in(fact)
        elif label == "Quantity from":
            said.source = source_said(fact)
        elif label == "Price from":
            said.price = fact[0].lower() + fact[1:]
        elif label == "Coupon":
            said.coupon = coupon_said(fact)
        elif label == "A charge for the same time":
            said.same_time = fact
        elif label == "Maximum of the period":
            said.maximum = number(fact.split()[0])
        elif label == "Minimum due":
            said.minimum = minimum_said(fact)
        elif label == "Billed earlier in the period":
            said.billed_earlier = number(fact.split()[0])
        else:
            raise AssertionError(f"not understood: {label}: {fact}")
    for step in shown.steps:
        take_step(said, step)
    return said


def source_said(fact: str) -> str:
    if fact == "The subscription item":
        return "item"
    if fact == "A report that has not come yet":
        return "report awaited"
    if fact.startswith("A report of "):
        [text] = re.findall(r'datetime="(.+?)"', fact)
        return f"report {datetime.fromisoformat(text).replace(microsecond=0)}"
    metered = re.sub(r"(?<=\d),(?=\d)", "", fact.removeprefix("Meter "))
    return re.sub(r" is ([\w-]+(?: or [\w-]+)*)", lambda found: f" in {found[1].replace(' or ', ', ')}", metered)


def take_step(said: Said, step: Step) -> None:
    if step.name == "Total":
        amount, currency = step.amount.split()
        said.net = (number(amount), currency)
    elif step.name == "Nothing to charge":
        said.nothing = True
    elif step.name == "Billed earlier in the period":
        said.quantities["earlier"] = number(step.quantity)
    elif step.name == "Quantity of this period":
        said.quantities["window"] = number(step.quantity)
    elif step.name == "Free":
        of = re.fullmatch(r"of ([\d.,]+) free units", step.note)[1]
        said.quantities |= {"free": -number(step.quantity), "of": number(of)}
    elif step.name == "Quantity charged":
        said.quantities["priced"] = number(step.quantity)
    elif step.name == "Packages started":
        total, size, billed = re.fullmatch(
            r"([\d.,]+) / ([\d.,]+), rounded up(?:, ([\d,]+) of them billed earlier)?", step.note
        ).groups()
        said.packages = (number(total), number(size), number(step.quantity), number(billed or "0"))
    elif not step.quantity:
        said.parts[-1][-1].append((-number(step.amount), reason_said(step.name)))
    else:
        said.parts.append(
            [
                step.name,
                times_in(step.note) if step.note else None,
                number(step.quantity),
                number(step.price),
                share_said(step.share) if step.share else None,
                number(step.amount),
                [],
            ]
        )
