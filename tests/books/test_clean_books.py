"""`manage.py check_books` finds nothing where nothing is broken."""

import pytest

from invoicing.models import ParkedCustomer
from tests.books.command import run_check
from tests.company import every_day, mixed_company
from tests.make import make_customer

pytestmark = pytest.mark.django_db


def test_an_empty_database_is_clean():
    make_customer()
    assert run_check()[0] == 0


def test_a_mixed_company_is_clean_after_months():
    mixed_company().live(every_day("2026-01-01", "2026-04-05"))
    assert not ParkedCustomer.objects.exists()
    code, said = run_check(now="2026-04-05T00:05")
    assert code == 0, said
    assert "The books are right." in said
