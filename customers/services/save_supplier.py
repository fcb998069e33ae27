"""Adding, replacing and deleting a supplier, and finding the one that a profile's data mean."""

import re
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, Q

from core.audit.services.record import record
from core.errors import Conflict
from core.locks import lock_alone
from customers.errors import SupplierInUse, SupplierKeyTaken
from customers.models import Supplier
from customers.services.supplier_input import SupplierInput, check_supplier

_SAVE_LOCK = 0x73757070  # "supp": one supplier is added at a time, so that no two get the same prefix
_LEGAL_FORMS = {"AG", "BV", "CO", "CORP", "GMBH", "INC", "KG", "LLC", "LTD", "PLC", "SA", "SARL", "SE", "UG"}


@transaction.atomic
def create_supplier(*, supplier: SupplierInput, where: str = "") -> Supplier:
    """Store a new supplier. Prefixes that are not given are made from its name.

    Raises `InvalidInput`, `SupplierKeyTaken`, and Conflict for a prefix that another series has.
    """
    check_supplier(supplier, where=where)
    lock_alone(_SAVE_LOCK)
    _check_key(supplier.key, None)
    invoice_prefix = supplier.invoice_prefix or _free_prefix(_stem_of(supplier.name or ""))
    credit_note_prefix = supplier.credit_note_prefix or _free_prefix(f"{invoice_prefix[:12]}CN")
    if invoice_prefix == credit_note_prefix:
        raise Conflict("Invoices and credit notes need different prefixes. Nothing was saved.", code="prefix_taken")
    for prefix in (invoice_prefix, credit_note_prefix):
        if _is_taken(prefix):
            raise Conflict(
                f"Documents of another supplier are numbered {prefix}. Nothing was saved: choose another prefix.",
                code="prefix_taken",
            )
    created = Supplier.objects.create(
        key=supplier.key,
        invoice_prefix=invoice_prefix,
        credit_note_prefix=credit_note_prefix,
        **supplier.details(),
    )
    record(verb="supplier.created", target=created, did=f"created the supplier {created}")
    return created


@transaction.atomic
def update_supplier(*, supplier: Supplier, replacement: SupplierInput, where: str = "") -> Supplier:
    """Replace what the supplier's invoices print from now on; issued ones and drafts keep their copies.

    The prefixes stay: numbers already issued carry them. Saying the same again changes nothing. Raises
    `InvalidInput`, `SupplierKeyTaken`, and Conflict for another prefix.
    """
    lock_alone(_SAVE_LOCK)
    supplier = Supplier.objects.select_for_update().get(pk=supplier.pk)
    check_supplier(replacement, where=where, before=supplier)
    wanted: dict[str, Any] = dict(replacement.details())
    if replacement.key is not None:
        _check_key(replacement.key, supplier)
        wanted["key"] = replacement.key
    for name in ("invoice_prefix", "credit_note_prefix"):
        said = getattr(replacement, name)
        if said is not None and said != getattr(supplier, name):
            raise Conflict(
                f"The prefixes of {supplier} are fixed, because its numbers carry them. Nothing was changed: "
                "for another series, add another supplier.",
                code="prefix_fixed",
            )
    changes = {
        name: [getattr(supplier, name), value] for name, value in wanted.items() if getattr(supplier, name) != value
    }
    if changes:
        for name, (_, value) in changes.items():
            setattr(supplier, name, value)
        supplier.save()
        did = f"changed the supplier {supplier} ({', '.join(sorted(changes)).replace('_', ' ')})"
        record(verb="supplier.changed", target=supplier, did=did, changes=changes)
    return supplier


@transaction.atomic
def match_or_create_supplier(*, supplier: SupplierInput) -> Supplier:
    """The supplier that a new profile's data mean: by id, by key, or by exactly the same details; else a new one.

    Raises `InvalidInput` for an unknown id or missing details, Conflict where the one so named is described otherwise.
    """
    found = find_supplier(supplier)
    if found is None:
        return create_supplier(supplier=supplier, where="supplier.")
    if supplier.says_more_than_who() and not supplier.describes(found):
        raise Conflict(
            f"The supplier {found.key or found} is known otherwise than described. Nothing was saved: name it by its "
            "id or key alone, or change it first.",
            code="supplier_differs",
        )
    return found


def find_supplier(supplier: SupplierInput) -> Supplier | None:
    """The supplier with this id, else this key, else exactly these details; None where there is none."""
    if supplier.id is not None:
        found = Supplier.objects.filter(pk=supplier.id).first()
        if found is not None or supplier.key is None:
            return found
    if supplier.key is not None:
        return Supplier.objects.filter(key=supplier.key).first()
    if not supplier.name:
        return None
    details: dict[str, Any] = dict(supplier.details())
    # Also the one whose tax id was stored as it was written.
    details["tax_id__in"] = {details.pop("tax_id"), supplier.tax_id}
    return Supplier.objects.filter(**details).order_by("created_at").first()


@transaction.atomic
def delete_supplier(*, supplier: Supplier) -> None:
    """Delete a supplier that nothing refers to; `SupplierInUse` otherwise."""
    supplier = Supplier.objects.select_for_update().get(pk=supplier.pk)
    try:
        with transaction.atomic():
            record(verb="supplier.deleted", target=supplier, did=f"deleted the supplier {supplier}")
            supplier.delete()
    except ProtectedError as error:
        raise SupplierInUse(
            f"{supplier} has billing profiles or invoices, and was not deleted. Invoices keep their supplier for good."
        ) from error


def _check_key(key: str | None, supplier: Supplier | None) -> None:
    others = Supplier.objects.filter(key=key)
    if supplier is not None:
        others = others.exclude(pk=supplier.pk)
    if key is not None and others.exists():
        raise SupplierKeyTaken(f"Another supplier has the key {key}. Nothing was saved. Use another key.")


def _free_prefix(stem: str) -> str:
    """`stem`, or with the first number after it that no series has yet."""
    number = 1
    while True:
        prefix = stem if number == 1 else f"{stem}{number}"
        if not _is_taken(prefix):
            return prefix
        number += 1


def _stem_of(name: str) -> str:
    """What a series is called after its supplier: "Acme Labs GmbH" gives ACME."""
    words = [word for word in re.findall(r"[A-Z0-9]+", name.upper()) if word not in _LEGAL_FORMS]
    return words[0][:8] if words else "INV"


def _is_taken(prefix: str) -> bool:
    return Supplier.objects.filter(Q(invoice_prefix=prefix) | Q(credit_note_prefix=prefix)).exists()
