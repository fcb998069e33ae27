from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.rest.times import parse_rfc3339
from core.rest.wire_json import JSONProblem, dumps, indented, loads


def test_numbers_come_in_exact():
    assert loads(b"[0.1, 1, 1e2, -0.000000000001]") == [Decimal("0.1"), 1, Decimal("1E+2"), Decimal("-1E-12")]
    assert {type(value) for value in loads(b"[0.1, 1e2]")} == {Decimal}


def test_numbers_go_out_with_all_their_digits_and_no_exponent():
    assert dumps({"a": Decimal("1E+2"), "b": [Decimal("0.250"), Decimal("1E-12")], "c": Decimal("-0.0")}) == (
        '{"a":100,"b":[0.25,0.000000000001],"c":0}'
    )


def test_texts_keep_their_characters():
    assert loads(dumps({"ключ": 'größe\n"\\ 😀', "n": Decimal("1.5")}).encode()) == {
        "ключ": 'größe\n"\\ 😀',
        "n": Decimal("1.5"),
    }


def test_a_body_of_a_great_many_large_numbers_is_refused_before_it_is_written_out():
    """500,000 of them, in 3 MB, would come to 200 MB wherever they are stored or shown."""
    many = b"[" + b",".join([b"1e-400"] * 500_000) + b"]"
    for _ in range(2):
        with pytest.raises(JSONProblem, match="come to millions of digits"):
            loads(many)
    # What is left is each body's own, and numbers as programs write them cost nothing of it.
    assert len(loads(b"[" + b",".join([b"1.7976931348623157e+308"] * 20_000) + b"]")) == 20_000
    assert len(loads(b"[" + b",".join([b"1e-05"] * 1_000_000) + b"]")) == 1_000_000


@pytest.mark.parametrize(
    ("text", "twice"),
    [('{"a": 1, "b": 2, "a": 1}', "a"), ('[{"x": {"\\u0061": 1, "a": 2}}]', "a"), ('{"": 1, "": 2}', "")],
)
def test_a_name_that_comes_twice_in_one_object_is_refused(text, twice):
    with pytest.raises(JSONProblem, match=f"An object has '{twice}' more than once"):
        loads(text.encode())
    assert loads(b'{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}') == {"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}


@pytest.mark.parametrize("depth", [63, 64])
def test_nesting_up_to_64_levels_is_read(depth):
    loads(b"[" * depth + b"]" * depth)


def test_deeper_nesting_is_refused():
    with pytest.raises(JSONProblem, match="64 levels"):
        loads(b"[" * 66 + b"]" * 66)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-17T00:00:00Z", datetime(2026, 3, 17, tzinfo=UTC)),
        ("2026-03-17T01:00:00.5+01:00", datetime(2026, 3, 17, 0, 0, 0, 500000, tzinfo=UTC)),
        ("2026-03-17T01:00:00 01:00", datetime(2026, 3, 17, tzinfo=UTC)),
        ("2026-03-17t00:00:00.1234567z", datetime(2026, 3, 17, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-17T00:00:00", None),
        ("2026-03-17", None),
        ("2026-02-29T00:00:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("3000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("2026-03-17T25:00:00Z", None),
        ("2026-03-17T00:00:00+25:00", None),
    ],
)
def test_times(text, moment):
    assert parse_rfc3339(text) == moment


def test_what_people_read_is_what_is_sent_but_for_the_spaces():
    sent = '{"a":{"b":[1,0.250000000000000001,"é"],"c":[],"d":{}},"e":null,"f":true}'
    shown = indented(loads(sent.encode()))
    assert shown == (
        '{\n  "a": {\n    "b": [\n      1,\n      0.250000000000000001,\n      "é"\n    ],\n'
        '    "c": [],\n    "d": {}\n  },\n  "e": null,\n  "f": true\n}'
    )
    assert dumps(loads(shown.encode())) == sent
