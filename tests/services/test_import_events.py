"""Usage from a file: one JSON event a line, or CSV; started again after a stop, each event counts once."""

import gc
import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from customers.attribution import Attribution
from entitlements.management.commands import import_events
from entitlements.metering.create_meter import create_meter
from entitlements.metering.usage import Usage, UsageRequest, reading_of, usage_of
from entitlements.models import UsageEvent
from tests.support.catalog import make_feature
from tests.support.clock import at

pytestmark = pytest.mark.django_db


def line(number, **changes):
    event = {
        "id": f"e{number}",
        "source": "file",
        "type": "usage",
        "subject": "acme",
        "time": f"2026-03-02T10:{number:02}:00Z",
        "data": {"amount": number},
    }
    return json.dumps(event | changes)


@pytest.fixture
def usage():
    feature = make_feature(
        meter=create_meter(key="usage", event_type="usage", aggregation="SUM", value_property="$.amount")
    )
    request = UsageRequest(1, reading_of(feature), [Attribution("acme")], [(at("2026-03-01"), at("2026-04-01"))])
    return lambda: usage_of([request])[1]


def test_a_file_is_taken_in_and_taken_in_again_it_counts_once(tmp_path, usage, capsys):
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join([line(1), line(2), "", line(4)]))
    call_command("import_events", str(file))
    assert usage() == Usage(Decimal(7), 3, 0)
    assert "3 events read" in capsys.readouterr().out
    file.write_text("\n".join([line(1), line(2), line(4), line(8)]))
    call_command("import_events", str(file))
    assert usage() == Usage(Decimal(15), 4, 0)
    assert ": 1 new, 3 stored before, 0 refused." in capsys.readouterr().out


def test_csv_has_the_attributes_by_name_and_the_rest_as_data(tmp_path, usage):
    file = tmp_path / "events.csv"
    file.write_text(
        "id,source,type,subject,time,amount,model\n"
        "a,file,usage,acme,2026-03-02T10:00:00Z,1.5,gpt-4\n"
        'b,file,usage,acme,2026-03-02T10:00:00Z,2,"gpt, the third"\n'
    )
    call_command("import_events", str(file), verbosity=0)
    assert usage().quantity == 3.5
    assert UsageEvent.objects.get(external_id="b").data == {"amount": "2", "model": "gpt, the third"}


def test_a_line_of_csv_that_is_no_utf_8_is_named_and_not_taken_for_another(tmp_path, usage, capsys):
    file = tmp_path / "events.csv"
    lines = ["id,source,type,subject,amount", "é1,file,usage,acme,1", "è1,file,usage,acme,2", "u1,file,usage,acme,4"]
    file.write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(CommandError, match="stopped before line 2; 0 events were stored"):
        call_command("import_events", str(file))
    said = capsys.readouterr().err
    assert said.splitlines() == ["Line 2: The line is not UTF-8 text.", "Line 3: The line is not UTF-8 text."]
    # As UTF-8 they are two.
    times = ["time", *["2026-03-02T10:00:00Z"] * 3]
    file.write_text("\n".join(f"{line},{time}" for line, time in zip(lines, times, strict=True)))
    call_command("import_events", str(file), verbosity=0)
    assert usage() == Usage(Decimal(7), 3, 0)


@pytest.mark.parametrize(("lines", "why"), [(10_000, "field larger than field limit"), (3, "unexpected end of data")])
def test_a_quote_that_never_ends_swallows_no_lines(tmp_path, usage, lines, why):
    file = tmp_path / "events.csv"
    more = "u1,file,usage,acme,4,2026-03-02T10:00:00Z,\n" * lines
    file.write_text('id,source,type,subject,amount,time,note\nq1,file,usage,acme,1,2026-03-02T10:00:00Z,"so\n' + more)
    with pytest.raises(CommandError, match=f"which is no CSV: {why}"):
        call_command("import_events", str(file))
    assert usage() == Usage(Decimal(0), 0, 0)


def test_a_heading_that_says_a_column_twice_or_is_no_csv_is_refused(tmp_path):
    file = tmp_path / "events.csv"
    for heading, why in (("amount,amount", "has amount more than once"), ('amount,"', "is no CSV: unexpected end")):
        file.write_text(f"id,source,type,subject,{heading}\na,file,usage,acme,1,2\n")
        with pytest.raises(CommandError, match=f"The heading {why}"):
            call_command("import_events", str(file))


BAD = [
    line(1),
    line(2, data={"amount": "many"}),
    "{broken",
    line(4, time="2999-01-01T00:00:00Z"),
    '{"id": "n", "source": "file", "type": "usage", "subject": "acme", "data": {"amount": NaN}}',
    '{"id": "z\\u0000", "source": "file", "type": "usage", "subject": "acme", "data": {"amount": 1}}',
    line(7),
]


def test_bad_lines_are_all_named_and_stop_the_import_before_them(tmp_path, usage, capsys):
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(BAD))
    with pytest.raises(CommandError, match="stopped before line 1; 0 events were stored"):
        call_command("import_events", str(file))
    said = capsys.readouterr().err
    assert [part.split(":")[0] for part in said.splitlines()] == [f"Line {n}" for n in (2, 3, 4, 5, 6)]
    assert usage() == Usage(Decimal(0), 0, 0)


def test_with_skip_the_good_ones_are_stored(tmp_path, usage, capsys):
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(BAD))
    with pytest.raises(SystemExit):
        call_command("import_events", str(file), "--skip")
    said = capsys.readouterr()
    assert [part.split(":")[0] for part in said.err.splitlines()] == [f"Line {n}" for n in (2, 3, 4, 5, 6)]
    assert "Line 2: data.amount: The meter usage reads a number here" in said.err
    assert "7 events read" in said.out
    assert ": 2 new, 0 stored before, 5 refused." in said.out
    assert usage() == Usage(Decimal(8), 2, 0)


def test_batches_of_a_file_are_taken_in_its_order_and_none_behind_a_bad_one(tmp_path, usage, monkeypatch):
    monkeypatch.setattr(import_events, "AT_ONCE", 2)
    file = tmp_path / "events.ndjson"
    again = line(1, data={"amount": 1000})
    file.write_text("\n".join([line(1), line(2), line(4), again, line(8), "{broken", line(16), line(32)]))
    with pytest.raises(CommandError, match="stopped before line 5; 3 events were stored"):
        call_command("import_events", str(file))
    # 1 + 2 + 4: the first event of a key counts, and what was read ahead is not stored.
    assert usage() == Usage(Decimal(7), 3, 0)
    assert gc.get_freeze_count() == 0
