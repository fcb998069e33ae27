"""Times through the database: read as Django's own loader reads them, and written to the moment."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from django.db import DataError, connection
from django.db.backends.postgresql.psycopg_any import register_tzloader

from core.bulk import copy_rows, update_rows
from core.ids import new_id
from core.times import time_text
from invoicing.models import TaxRate

pytestmark = pytest.mark.django_db

TEXTS = (
    "2026-04-01 00:00:00+00",
    "2026-04-01 12:34:56.5+00",
    "2026-04-01 12:34:56.000001+00",
    "2026-10-25 01:30:00+01",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
)


def read(text, *, by_django=False):
    with connection.cursor() as cursor:
        if by_django:
            register_tzloader(UTC, cursor.cursor)
        cursor.execute("SELECT %s::timestamptz", [text])
        return cursor.fetchone()[0]


@pytest.mark.parametrize("text", TEXTS)
def test_a_time_is_read_as_django_reads_it(text):
    ours, theirs = read(text), read(text, by_django=True)
    assert (ours, ours.tzinfo, ours.fold) == (theirs, UTC, 0)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York", "Europe/Berlin"])
def test_a_time_is_read_right_whatever_zone_the_session_is_in(zone):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
        cursor.execute("SELECT '2026-07-01 12:00:00+00'::timestamptz")
        found = cursor.fetchone()[0]
    assert (found, found.tzinfo) == (datetime(2026, 7, 1, 12, tzinfo=UTC), UTC)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "10000-01-01 00:00:00+00", "0044-03-15 00:00:00+00 BC"])
def test_a_time_that_python_has_none_for_is_refused(text):
    with pytest.raises(DataError):
        read(text)


def test_equal_moments_keep_the_texts_of_their_zones():
    moments = [datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 7, 1, 14, tzinfo=ZoneInfo("Europe/Berlin"))]
    assert moments[0] == moments[1]
    assert [time_text(moment) for moment in moments] == ["2026-07-01T12:00:00+00:00", "2026-07-01T14:00:00+02:00"]


def test_times_are_stored_to_the_microsecond_from_any_zone_by_copy_and_by_update():
    fine = datetime(2026, 7, 1, 12, 0, 0, 1, tzinfo=UTC)
    eastern = datetime(2026, 7, 1, 18, 0, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    key = new_id()
    row = {"id": key, "created_at": fine, "updated_at": fine, "country": "ZZ", "region": "", "category": ""}
    copy_rows(TaxRate, [row | {"rate": 19, "name": "VAT", "valid_from": fine, "valid_to": None}])
    rate = TaxRate.objects.get(pk=key)
    assert (rate.valid_from, rate.valid_to) == (fine, None)
    update_rows(TaxRate, ("valid_from", "valid_to"), [(rate.pk, eastern, datetime(9999, 12, 31, tzinfo=UTC))])
    rate.refresh_from_db()
    assert (rate.valid_from, rate.valid_to) == (
        datetime(2026, 7, 1, 12, 15, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    )
    update_rows(TaxRate, ("valid_to",), [(rate.pk, None)])
    rate.refresh_from_db()
    assert rate.valid_to is None
