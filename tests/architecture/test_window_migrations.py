"""The migrations that let lines refer to windows carry every kind of window back and forth, as it was."""

import os

import psycopg

from benchmarks.database import address, created
from billing_site.runtime.wiring import database_url
from tests.architecture.test_migrations import manage, migrate

# What stands: each window, and the lines that bill it, add to it and give back of it. Lines that were taken off, and
# whose window is gone, only belong together.
WINDOWS = """
    SELECT w.id, w.item_id, w.span::text, w.kind, w.invoice_id,
        array_agg(l.id ORDER BY l.id) FILTER (WHERE l.deleted_at IS NULL)
    FROM invoicing_billedwindow w LEFT JOIN invoicing_invoiceline l ON l.window_id = w.id
    GROUP BY w.id ORDER BY w.id
"""
WAITING = """
    SELECT l.id, l.window_id FROM invoicing_invoiceline l JOIN invoicing_invoice v ON v.id = l.invoice_id
    WHERE v.status = 'gathering' ORDER BY l.id
"""
KINDS = """
    SELECT count(*) FILTER (WHERE kind = 'waiver'), count(*) FILTER (WHERE kind = 'unreported'),
        (SELECT count(*) FROM invoicing_invoiceline l JOIN invoicing_invoice v ON v.id = l.invoice_id
         WHERE l.amends_id IS NOT NULL AND l.kind = 'flat' AND v.issued_at IS NOT NULL),
        (SELECT count(*) FROM invoicing_invoiceline WHERE kind = 'credit'),
        (SELECT count(*) FROM invoicing_creditnoteline),
        (SELECT count(*) FROM invoicing_invoiceline l JOIN invoicing_invoice v ON v.id = l.invoice_id
         WHERE v.status = 'gathering' AND l.window_id IS NOT NULL),
        (SELECT count(*) FROM subscriptions_subscriptionitem WHERE usage_splits <> '{}')
    FROM invoicing_billedwindow
"""
# On the old side, a window names its line: its own, of its item, and never an amendment.
NAMED = """
    SELECT w.id, w.item_id, w.kind, l.item_id, l.amends_id, l.kind, l.invoice_id
    FROM invoicing_billedwindow w LEFT JOIN invoicing_invoiceline l ON l.id = w.line_id ORDER BY w.id
"""
IS_HELD = "SELECT convalidated FROM pg_constraint WHERE conname = 'charged_window_names_its_line'"


def rows(url: str, sql: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchall()


def tell(url: str, *names: str) -> None:
    """Run these of the support module on that database."""
    code = ["from tests.support import windows_of_every_kind", *(f"windows_of_every_kind.{name}()" for name in names)]
    manage(url, "shell", "--verbosity", "0", "-c", "\n".join(code))


def test_windows_of_every_kind_go_back_and_forth(migrated_database):
    server, name = database_url(), f"windows_back_{os.getpid()}"
    with created(server, name, template=migrated_database):
        url = address(server, name)
        tell(url, "build", "check")
        windows, waiting = rows(url, WINDOWS), rows(url, WAITING)
        assert all(rows(url, KINDS)[0]), rows(url, KINDS)
        migrate(url, "invoicing", "0023_whole_references")
        assert rows(url, IS_HELD) == [(True,)]
        invoices = {window[0]: window[4] for window in windows}
        for window, item, kind, line_item, amends, line_kind, invoice in rows(url, NAMED):
            if kind == "unreported":
                assert line_item is None
            else:
                assert (line_item, amends, invoice) == (item, None, invoices[window])
                assert line_kind != "credit"
        migrate(url)
        assert rows(url, WINDOWS) == windows
        assert rows(url, WAITING) == waiting
        tell(url, "check")
