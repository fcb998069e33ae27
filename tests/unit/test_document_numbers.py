"""The numbers of documents in what payers and banks write: of the right series, whole, in each reading."""

import pytest

from invoicing.lifecycle.document_numbers import Named, NumberReader

SERIES = ("ACME", "ACME2", "ACMECN", "INV", "2027/A")


def read(text, *prefixes):
    return [one.numbers for one in NumberReader(prefixes or SERIES).read(text)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("ACME2-000001", [("ACME2-000001",)]),
        ("acme2 000001 thank you", [("ACME2-000001",)]),
        ("Invoice ACME2-9.", [("ACME2-000009",)]),
        ("ACME-000002", [("ACME-000002",)]),
        ("ACME 2", [("ACME-000002",)]),
        ("ACME-2000001", [("ACME-2000001",)]),
        ("ACME2000001", [("ACME2-000001", "ACME-2000001")]),
        ("ACME21", [("ACME2-000001", "ACME-000021")]),
        ("ACMECN-000007", [("ACMECN-000007",)]),
        ("inv 42", [("INV-000042",)]),
        ("INV000042", [("INV-000042",)]),
        ("INV_000042/ACME2-000001", [("INV-000042",), ("ACME2-000001",)]),
        ("INV-000042\u2013000043", [("INV-000042",), ("INV-000043",)]),
        ("INV-000042, 000043 and 50.00 EUR", [("INV-000042",), ("INV-000043",)]),
        ("INV-000042 of 18.03.2026", [("INV-000042",)]),
        # A postcode is no second number.
        ("INV-000042, 10115 Berlin", [("INV-000042",)]),
        ("INV 000042THANKS", [("INV-000042",)]),
        ("2027/A-000003 and 2027A000004", [("2027/A-000003",), ("2027/A-000004",)]),
        ("INV-000001 INV-000001", [("INV-000001",)]),
        ("INV-1234567", [("INV-1234567",)]),
    ],
)
def test_a_number_is_read_with_the_longest_known_prefix(text, numbers):
    assert read(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "INV-0000000042",  # no number is padded so
        "INV-" + "1" * 19,
        "INV 50.00 EUR",
        "INV 50,00",
        "INV 18.03.2026",
        "INV 2026-03-18",
        "INV 42B",
        "MYINV-000042",
        "ACME3-2-000009",
        "INV",
        "000042",
        "INV-٤٢",
        "",
    ],
)
def test_what_only_looks_like_a_number_is_none(text):
    assert read(text) == []


def test_a_shorter_prefix_takes_nothing_from_the_middle_of_a_longer_ones_number():
    assert read("ACME-2-000009", "ACME") == []
    assert read("ACME-2-000009", "ACME", "ACME-2") == [("ACME-2-000009",)]


def test_a_short_number_behind_a_shorter_prefix_is_doubtful():
    assert NumberReader(SERIES).read("ACME29") == [Named(("ACME2-000009", "ACME-000029"), frozenset({"ACME-000029"}))]
    assert NumberReader(SERIES).read("ACME2000001")[0].doubtful == frozenset()


def test_a_number_that_was_read_is_not_read_once_more_as_a_prefix():
    assert read("INV-000042-000007", "INV", "000042") == [("INV-000042",), ("INV-000007",)]
