"""What a transactional test leaves behind is gone afterwards, whatever guards it, and nothing else is."""

from typing import Any

import pytest
from django import test
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from billing_site.backoffice.roles import CLERK
from core.audit.models import AuditEntry
from customers.models import Customer
from tests.support.closing import make_many
from tests.support.customers import make_default_profile
from tests.support.empty_tables import _FEW, _tables, fast_flush

pytestmark = pytest.mark.django_db(transaction=True)


def snapshot() -> dict[str, list[tuple[object, ...]]]:
    """All rows that there are, by table."""
    found = {}
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f"SELECT * FROM {table}")
            if rows := cursor.fetchall():
                found[table] = sorted(rows, key=str)
    return found


@pytest.fixture
def clean_up():
    """The clean-up, once it knows what a flush leaves."""
    with fast_flush():
        case: Any = test.TransactionTestCase()
        case._fixture_teardown()
        yield case._fixture_teardown


@pytest.mark.parametrize("more", [0, _FEW])
def test_only_what_a_flush_leaves_is_left(clean_up, more):
    flushed = snapshot()
    assert sorted(flushed) == ["auth_group", "auth_group_permissions", "auth_permission", "django_content_type"]
    make_default_profile()
    make_many(2)  # issued invoices, which may not be deleted
    User.objects.bulk_create(User(username=f"user-{number}") for number in range(more + 1))
    Group.objects.get(name=CLERK).permissions.clear()
    Group.objects.create(name="Others")
    Permission.objects.first().delete()
    assert Customer.objects.count() == 2 and AuditEntry.objects.exists()

    clean_up()

    assert snapshot() == flushed
    clean_up()
    assert snapshot() == flushed
    # What comes next meets no number that is taken.
    Group.objects.create(name="Others")
    ContentType.objects.create(app_label="x", model="y")
