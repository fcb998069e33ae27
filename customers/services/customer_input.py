"""What can be said of a customer when it is created or replaced, and the checks that need no other row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from core.countries_and_zones import country_names
from core.errors import BillingError, FieldProblem, InvalidInput
from core.money import exponent
from core.periods import zone_info
from customers.tax_ids import tax_id_problem, tidy_tax_id

ADDRESS_FIELDS = ("country", "postal_code", "state", "city", "line1", "line2", "phone_number")
_MAX_SUBJECTS = 1000


class Party(Protocol):
    """A stored customer or supplier, as far as the checks ask."""

    country: str
    tax_id: str


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
            columns["tax_id"] = tidy_tax_id(self.tax_id)
        return columns


def check(customer: CustomerInput, *, before: Party | None = None) -> None:
    """Raise `InvalidInput` naming every field at fault.

    `before` is the customer as stored: a country, zone or tax id that stays as it was is not held against whoever
    changes something else, though it would be refused today.
    """
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
    if customer.time_zone and customer.time_zone != getattr(before, "time_zone", None):
        try:
            zone_info(customer.time_zone)
        except BillingError as error:
            problems.append(FieldProblem("timezone", "unknown_zone", error.message))
    problems += party_problems(
        customer.address.get("country", ""),
        customer.tax_id or "",
        before=before,
        country_field="billingAddress.country",
        tax_id_field="taxId",
    )
    problems += _subject_problems(customer.subjects or ())
    if problems:
        said = " ".join(f"{p.field}: {p.message}" for p in problems)
        raise InvalidInput(f"The customer was not saved. {said}", code="invalid_customer", problems=problems)


def party_problems(
    country: str, tax_id: str, *, before: Party | None, country_field: str, tax_id_field: str
) -> list[FieldProblem]:
    """What is wrong with the country and the tax id of a customer or supplier, where it differs from `before`."""
    problems = []
    if country and country not in country_names() and (before is None or country != before.country):
        message = "Not a country of ISO 3166: give its code of two capital letters, for example DE."
        problems.append(FieldProblem(country_field, "bad_country", message))
    wrong = tax_id_problem(tax_id, country) if before is None or tax_id != before.tax_id else ""
    if wrong:
        problems.append(FieldProblem(tax_id_field, "bad_tax_id", wrong))
    return problems


def _subject_problems(subjects: tuple[str, ...]) -> list[FieldProblem]:
    where = "usageAttribution.subjectKeys"
    if len(subjects) > _MAX_SUBJECTS:
        return [FieldProblem(where, "too_many", f"A customer has at most {_MAX_SUBJECTS} subjects.")]
    return [
        FieldProblem(f"{where}.{index}", "duplicate", f"The subject {subject!r} is listed twice.")
        for index, subject in enumerate(subjects)
        if subject in subjects[:index]
    ]
