"""What can be said of a customer when it is created or replaced, and the checks that need no other row."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from core.errors import BillingError, FieldProblem, InvalidInput
from core.money import exponent
from core.periods import zone_info

ADDRESS_FIELDS = ("country", "postal_code", "state", "city", "line1", "line2", "phone_number")
_MAX_SUBJECTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerInput:
    """`subjects` None: the customer's usage comes under its key. `address` maps `ADDRESS_FIELDS` to texts.

    `time_zone` and `tax_id` None: unchanged, or the default for a new customer; REST clients that don't know of these
    fields must not reset them.
    """

    name: str
    key: str | None = None
    description: str | None = None
    primary_email: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    tax_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    address: Mapping[str, str] = field(default_factory=dict)
    subjects: tuple[str, ...] | None = None

    @property
    def usage_subjects(self) -> tuple[str, ...]:
        """The subjects under which usage is the customer's."""
        if self.subjects is not None:
            return self.subjects
        return (self.key,) if self.key else ()

    def columns(self) -> dict[str, object]:
        """The customer's columns that this sets."""
        columns: dict[str, object] = {
            "name": self.name,
            "key": self.key,
            "description": self.description,
            "primary_email": self.primary_email,
            "currency": self.currency,
            "metadata": dict(self.metadata),
        }
        columns |= {name: self.address.get(name, "") for name in ADDRESS_FIELDS}
        if self.time_zone is not None:
            columns["time_zone"] = self.time_zone
        if self.tax_id is not None:
            columns["tax_id"] = self.tax_id
        return columns


def check(customer: CustomerInput) -> None:
    """Raise `InvalidInput` naming every field at fault."""
    problems = []
    if customer.primary_email:
        try:
            validate_email(customer.primary_email)
        except ValidationError:
            problems.append(FieldProblem("primaryEmail", "bad_email", "Not an e-mail address."))
    if customer.currency:
        try:
            exponent(customer.currency)
        except BillingError as error:
            problems.append(FieldProblem("currency", error.code, error.message))
    if customer.time_zone:
        try:
            zone_info(customer.time_zone)
        except BillingError as error:
            problems.append(FieldProblem("timezone", "unknown_zone", error.message))
    country = customer.address.get("country")
    if country and not re.fullmatch(r"[A-Z]{2}", country):
        message = "Not a country code of two capital letters, for example DE."
        problems.append(FieldProblem("billingAddress.country", "bad_country", message))
    problems += _subject_problems(customer.subjects or ())
    if problems:
        said = " ".join(f"{p.field}: {p.message}" for p in problems)
        raise InvalidInput(f"The customer was not saved. {said}", code="invalid_customer", problems=problems)


def _subject_problems(subjects: tuple[str, ...]) -> list[FieldProblem]:
    where = "usageAttribution.subjectKeys"
    if len(subjects) > _MAX_SUBJECTS:
        return [FieldProblem(where, "too_many", f"A customer has at most {_MAX_SUBJECTS} subjects.")]
    return [
        FieldProblem(f"{where}.{index}", "duplicate", f"The subject {subject!r} is listed twice.")
        for index, subject in enumerate(subjects)
        if subject in subjects[:index]
    ]
