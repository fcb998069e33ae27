"""Nothing writes an invoice's status but through the table of `invoicing/lifecycle/states.py`.

A single verb says `move`. Statements over many rows, and what puts new rows together, are named here: each of them asks
`check_moves` or `check_beginnings`, or hands its rows to one that does.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site")
STATES = "invoicing/lifecycle/states.py"

# What writes the status of many invoices with one statement.
BULK_WRITERS = {
    "invoicing/closing/store.py",
    "invoicing/corrections/book_credit_notes.py",
    "invoicing/corrections/retax_drafts.py",
    "invoicing/drafts/collect_quantities.py",
    "invoicing/lifecycle/gathering_invoice.py",
    "invoicing/late_usage/book_adjustments.py",
    "invoicing/lifecycle/issue.py",
    "invoicing/closing/charge_at_issue.py",
    "invoicing/payments/collect.py",
    "invoicing/payments/mark_overdue.py",
    "invoicing/previews/fall_due.py",
}
# What says how a new invoice begins, with whoever stores it and asks for it; a simulated one is stored by nobody.
MAKERS = {
    "invoicing/closing/assemble.py": "invoicing/closing/store.py",
    "invoicing/closing/documents.py": "invoicing/closing/store.py",
    "invoicing/closing/rows.py": "invoicing/closing/store.py",
    "invoicing/gathering/simulate_invoice.py": None,
}
# Whose status is none of an invoice's, by what the code calls them.
OTHERS = {"migration", "payment", "refund", "request"}

_OTHER_WORDS = re.compile(r"\b(?!Invoice)[A-Z]\w*Status\.")
_OF_INVOICES = re.compile(r"invoice|draft", re.I)
_OTHER_ROWS = re.compile(r"(?!Invoice\b)[A-Z]\w*\.objects\b")
_ASKS = re.compile(r"\b(check_moves|check_beginnings|move)\(")
_SQL = re.compile(r"update\s+\"?invoicing_invoice\"?\s(?:(?!\bwhere\b|\bfrom\b).)*?\bstatus\"?\s*=", re.I | re.S)


def _text(node: ast.AST) -> str:
    return ast.unparse(node)


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from target.elts if isinstance(target, ast.Tuple | ast.List) else (target,)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield node.target


def _constants(tree: ast.Module) -> dict[str, str]:
    """What the module's constants are, as texts: the columns of an update are named by one."""
    return {
        target.id: _text(node.value)
        for node in tree.body
        for target in _targets(node)
        if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
    }


def _written_by_call(node: ast.Call, constants: dict[str, str]) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else _text(node.func)
    if name == "setattr":
        return len(node.args) > 1 and _text(node.args[1]) == "'status'" and _text(node.args[0]) not in OTHERS
    if name == "update_rows":
        columns = _text(node.args[1])
        return _text(node.args[0]) == "Invoice" and "'status'" in constants.get(columns, columns)
    if name == "copy_rows":
        return _text(node.args[0]) == "Invoice"
    if name == "bulk_update":
        return "Invoice" in _text(node.func) and "'status'" in _text(node)
    if name == "update" and isinstance(node.func, ast.Attribute):
        # Whatever the rows are called: a status that is not plainly one of another list of words.
        named = [word.value for word in node.keywords if word.arg == "status"]
        unpacked = any(word.arg is None for word in node.keywords)
        others = any(_OTHER_WORDS.search(_text(value)) for value in named)
        if _OTHER_ROWS.match(_text(node.func)):
            return False
        return (bool(named) and not others) or (unpacked and _OF_INVOICES.search(_text(node.func)) is not None)
    if name not in ("create", "update_or_create", "get_or_create", "bulk_create", "Invoice"):
        return False
    about_invoices = "InvoiceStatus" in _text(node) or re.search(r"\bInvoice\b", _text(node.func)) is not None
    return about_invoices and any(word.arg == "status" for word in node.keywords)


def _written_by_assignment(node: ast.AST, target: ast.expr) -> bool:
    if isinstance(target, ast.Attribute) and target.attr == "status":
        # A value of another list of words is no invoice's, whatever the row is called.
        other = _OTHER_WORDS.search(_text(node)) and "InvoiceStatus" not in _text(node)
        return _text(target.value) not in (*OTHERS, "self") and not other
    if isinstance(target, ast.Subscript):
        if _text(target.value).endswith(".__dict__"):
            return _text(target.slice) == "'status'"
        return _text(target.slice) == "'status'" and "InvoiceStatus" in _text(node)
    default = node.value if isinstance(node, ast.AnnAssign) else None
    return _text(target) == "status" and default is not None and "InvoiceStatus" in _text(default)


def _writes(node: ast.AST, constants: dict[str, str]) -> bool:
    if isinstance(node, ast.Dict):
        return "'status'" in {_text(key) for key in node.keys if key is not None} and "InvoiceStatus" in _text(node)
    if isinstance(node, ast.Call):
        return _written_by_call(node, constants)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and _SQL.search(node.value) is not None
    return any(_written_by_assignment(node, target) for target in _targets(node))


def writes(source: str) -> list[int]:
    """The lines of a module on which an invoice's status is written."""
    tree = ast.parse(source)
    constants = _constants(tree)
    return sorted({getattr(node, "lineno", 0) for node in ast.walk(tree) if _writes(node, constants)})


def modules() -> list[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(str(path.relative_to(ROOT)) for path in found if "migrations" not in path.parts)


def test_nothing_but_the_table_and_the_writers_named_here_writes_a_status():
    written = {module: lines for module in modules() if (lines := writes((ROOT / module).read_text()))}

    named = {STATES, *BULK_WRITERS, *MAKERS}
    assert {module: lines for module, lines in written.items() if module not in named} == {}
    assert set(written) >= named, "one that is named here writes no more"


@pytest.mark.parametrize("module", sorted(BULK_WRITERS))
def test_a_writer_of_many_rows_asks_the_table(module):
    source = (ROOT / module).read_text()

    assert "from invoicing.lifecycle.states import" in source
    assert _ASKS.search(source)


@pytest.mark.parametrize("module", sorted(BULK_WRITERS))
def test_each_statement_that_writes_asks_the_table_in_the_same_function(module):
    tree = ast.parse((ROOT / module).read_text())
    constants = _constants(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    unasked = {}
    for function in functions:
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        statements = [call for call in calls if _written_by_call(call, constants)]
        asks = [call for call in calls if _ASKS.match(_text(call))]
        if len(asks) < len(statements):
            unasked[function.name] = [call.lineno for call in statements]

    assert unasked == {}


def test_what_a_maker_begins_is_asked_for_by_whoever_stores_it():
    for storer in filter(None, MAKERS.values()):
        assert "check_beginnings(" in (ROOT / storer).read_text()
    simulated = (ROOT / "invoicing/gathering/simulate_invoice.py").read_text()
    assert not re.search(r"\.save\(|copy_rows|objects\.create", simulated)


@pytest.mark.parametrize(
    "source",
    [
        "invoice.status = InvoiceStatus.PAID",
        "locked.status, locked.status_note = InvoiceStatus.PAID, ''",
        "draft.status = wanted",
        "self.invoice.status = wanted",
        "setattr(invoice, 'status', 'paid')",
        "row['status'] = InvoiceStatus.PAID.value",
        "row['status'], row['due'] = InvoiceStatus.PAID.value, 0",
        "found = {'status': InvoiceStatus.PAID.value}",
        "Invoice.objects.filter(pk=1).update(status='paid')",
        "drafts.update(status=InvoiceStatus.DELETED, deleted_at=now)",
        "rows.update(status=wanted)",
        "customer.invoices.filter(pk=1).update(status='paid')",
        "Invoice.objects.filter(pk=1).update(**changes)",
        "draft.__dict__['status'] = wanted",
        "Invoice.objects.create(status='issued')",
        "Invoice(status='issued')",
        "update_rows(Invoice, ('status', 'updated_at'), rows)",
        "COLUMNS = ('paid', 'status')\nupdate_rows(Invoice, COLUMNS, rows)",
        "copy_rows(Invoice, rows)",
        "Invoice.objects.bulk_update(found, ['status'])",
        "cursor.execute('UPDATE invoicing_invoice SET due = 0, status = %s WHERE id = 1', ['paid'])",
        "status: str = InvoiceStatus.PAID",
    ],
)
def test_each_way_to_write_one_is_found(source):
    assert writes(source)


@pytest.mark.parametrize(
    "source",
    [
        "payment.status = outcome.status",
        "locked.status, locked.closed_at = StatementStatus.DISCARDED, now",
        "Payment.objects.filter(invoice=1).update(status=PaymentStatus.FAILED)",
        "Invoice.objects.filter(status=InvoiceStatus.PAID).update(due=0)",
        "update_rows(Invoice, ('due',), rows)",
        "update_rows(MigrationShard, ('status',), rows)",
        "known.update(**changes)",
        "IdempotentResponse.objects.filter(pk=1).update(status=response.status_code)",
        "migration.shards.update(status=RunStatus.DONE)",
        "cursor.execute(\"UPDATE invoicing_invoice AS i SET due = 0 FROM lines WHERE lines.status = 'valid'\")",
        "tones = {InvoiceStatus.PAID: 'green'}",
        "move(invoice, InvoiceStatus.PAID)",
    ],
)
def test_what_writes_none_is_left_alone(source):
    assert writes(source) == []
