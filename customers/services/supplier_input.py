"""What can be said of a supplier, and the checks that need no other row."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import FieldProblem, InvalidInput
from customers.models import Supplier
from customers.services.customer_input import ADDRESS_FIELDS, party_problems
from customers.tax_ids import tidy_tax_id

_PREFIX = re.compile(r"[A-Z0-9][A-Z0-9/-]{0,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierInput:
    """`address` maps `ADDRESS_FIELDS` to texts. None for key, e-mail or a prefix: nothing is said about it."""

    id: uuid.UUID | None = None
    key: str | None = None
    name: str | None = None
    tax_id: str = ""
    email: str | None = None
    address: Mapping[str, str] = field(default_factory=dict)
    invoice_prefix: str | None = None
    credit_note_prefix: str | None = None

    def details(self) -> dict[str, str]:
        """The columns of the legal entity itself, as an invoice prints it."""
        columns = {"name": self.name or "", "tax_id": tidy_tax_id(self.tax_id)}
        columns |= {name: self.address.get(name, "") for name in ADDRESS_FIELDS}
        if self.email is not None:
            columns["email"] = self.email
        return columns

    def says_more_than_who(self) -> bool:
        """Whether it describes the entity, beyond naming it by id or key."""
        return any(self.details().values())

    def describes(self, supplier: Supplier) -> bool:
        """Whether `supplier` is exactly as this says."""
        stored = {name: getattr(supplier, name) for name in self.details()}
        return stored | {"tax_id": tidy_tax_id(supplier.tax_id)} == self.details()


def check_supplier(supplier: SupplierInput, *, where: str = "", before: Supplier | None = None) -> None:
    """Raise `InvalidInput` naming every field at fault; `where` goes before their names.

    A country or tax id that stays as in `before` is not checked anew.
    """
    problems = []
    if not (supplier.name or "").strip():
        problems.append(FieldProblem(f"{where}name", "required", "A supplier needs its legal name."))
    problems += party_problems(
        supplier.address.get("country", ""),
        supplier.tax_id,
        before=before,
        country_field=f"{where}addresses.0.country",
        tax_id_field=f"{where}taxId.code",
    )
    for name, prefix in (
        ("invoicePrefix", supplier.invoice_prefix),
        ("creditNotePrefix", supplier.credit_note_prefix),
    ):
        if prefix is not None and not _PREFIX.fullmatch(prefix):
            message = "Capital letters, digits, hyphens and slashes; 16 at most, for example ACME."
            problems.append(FieldProblem(f"{where}{name}", "bad_prefix", message))
    if problems:
        said = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise InvalidInput(f"The supplier was not saved. {said}", code="invalid_supplier", problems=problems)
