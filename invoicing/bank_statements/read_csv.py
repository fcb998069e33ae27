"""Reads a bank statement in CSV. Pure: text in, rows out, or every mistake with its line."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core.errors import FieldProblem, InvalidInput
from core.money import currencies, exponent
from invoicing.payments.receipts import LONGEST_REFERENCE

REQUIRED = ("date", "amount", "currency", "reference")
OPTIONAL = ("payer", "transaction_id")
MAX_ROWS = 5000
# As wide as the columns that they are kept in: what is cut off may be what tells two payers or transactions apart.
_LONGEST = {"reference": LONGEST_REFERENCE, "payer": 255, "transaction_id": 255}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,4})?", re.ASCII)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement: `amount` is positive for money that came in."""

    booked_on: date
    amount: Decimal
    currency: str
    reference: str
    payer: str
    transaction_id: str


def read_statement(content: bytes) -> list[StatementLine]:
    """The movements in a CSV file (UTF-8; comma or semicolon; a header names the columns, in any order).

    Dates are 2026-03-17, amounts 1234.56 with a point and nothing between thousands. InvalidInput names wrong columns,
    and the lines at fault.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("The file is not UTF-8 text: save it as CSV in UTF-8.") from None
    header = text.split("\n", 1)[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="", restval="", strict=True)
    try:
        return _lines(rows)
    except csv.Error as error:
        raise _refused(f"Line {rows.line_num}: this is no CSV ({error}).") from None


def _lines(rows: "csv.DictReader[str]") -> list[StatementLine]:
    names = [name.strip().lower() for name in rows.fieldnames or []]
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown or len(set(names)) < len(names):
        raise _refused(
            f"The columns must be {', '.join(REQUIRED)}, and may be {', '.join(OPTIONAL)}. "
            f"Missing: {', '.join(missing) or 'none'}. Unknown: {', '.join(unknown) or 'none'}."
        )
    rows.fieldnames = names
    lines: list[StatementLine] = []
    wrong: list[str] = []
    for row in rows:
        try:
            lines.append(_line(row))
        except ValueError as error:
            wrong.append(f"Line {rows.line_num}: {error}")
    if len(lines) > MAX_ROWS:
        wrong.append(f"The file has more than {MAX_ROWS} rows: cut it into several.")
    if not lines and not wrong:
        wrong.append("The file has no rows.")
    if wrong:
        more = f" And {len(wrong) - _SHOWN} more." if len(wrong) > _SHOWN else ""
        raise _refused(" ".join(wrong[:_SHOWN]) + more)
    return lines


def _line(row: Mapping[str, str]) -> StatementLine:
    if "" in row:
        raise ValueError("it has more cells than there are columns.")
    cells = {name: (value or "").strip() for name, value in row.items()}
    if any("\x00" in value for value in cells.values()):
        raise ValueError("it holds the NUL character.")
    try:
        if not _DATE.fullmatch(cells["date"]):
            raise ValueError
        booked_on = date.fromisoformat(cells["date"])
    except ValueError:
        raise ValueError(f"{cells['date']!r} is no date like 2026-03-17.") from None
    for name, most in _LONGEST.items():
        if len(cells.get(name, "")) > most:
            raise ValueError(f"the {name.replace('_', ' ')} has more than {most} characters.")
    if cells["currency"] not in currencies():
        raise ValueError(f"{cells['currency']!r} is no currency like EUR.")
    if not _AMOUNT.fullmatch(cells["amount"]):
        raise ValueError(f"{cells['amount']!r} is no amount like 1234.56.")
    places = exponent(cells["currency"])
    # Also where they are zeros: 1.000 may be a thousand.
    if len(cells["amount"].partition(".")[2]) > places:
        raise ValueError(f"{cells['amount']} {cells['currency']} has more than {places} places.")
    return StatementLine(
        booked_on,
        round(Decimal(cells["amount"]), places),
        cells["currency"],
        cells["reference"],
        cells.get("payer", ""),
        cells.get("transaction_id", ""),
    )


def _refused(message: str) -> InvalidInput:
    return InvalidInput(
        f"{message} Nothing was imported.", code="bad_statement", problems=[FieldProblem("file", "bad_file", message)]
    )
