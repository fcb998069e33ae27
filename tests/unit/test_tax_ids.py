"""Which texts pass as tax ids, and how they are stored."""

import pytest

from customers.tax_ids import tax_id_problem, tidy_tax_id

RIGHT = [
    ("DE136695976", "DE"),
    ("de 136 695 976", "DE"),
    ("136695976", "DE"),
    ("181/815/08155", "DE"),  # a Steuernummer
    ("ATU13585627", "AT"),
    ("EL 094259216", "GR"),
    ("FR 40 303 265 045", "FR"),
    ("B58378431", "ES"),
    ("ATU13585627", "US"),  # registered in Austria, at home elsewhere
    ("84-1234567", "US"),
    ("CHE-107.787.577 IVA", "CH"),
    ("GB 980 7806 84", "GB"),
    ("27AAPFU0939F1ZV", "IN"),
    ("whatever they call it", "AE"),  # nobody knows the rules
    ("B 1", ""),
    ("", "DE"),
]
WRONG = [
    ("DE12", "DE"),
    ("DE12", ""),
    ("DE12", "US"),
    ("DE136695977", "DE"),  # the check digit
    ("ATU13585626", ""),
    ("12345", "AT"),
    ("GB 980 7806 85", "GB"),
    ("US 84-1234567", "US"),
    ("DE1366959760", "AE"),
]


@pytest.mark.parametrize(("text", "country"), RIGHT)
def test_a_tax_id_passes(text, country):
    assert tax_id_problem(text, country) == ""


@pytest.mark.parametrize(("text", "country"), WRONG)
def test_what_is_none_is_refused_in_words(text, country):
    assert f"{text} is not a tax id" in tax_id_problem(text, country)


def test_an_eu_number_is_stored_without_gaps_and_others_as_written():
    assert tidy_tax_id(" de 136 695 976 ") == "DE136695976"
    # In Romania, and elsewhere, the prefix says more than the number: it is not put there.
    assert tidy_tax_id("136695976") == "136695976"
    assert tidy_tax_id("CHE-107.787.577 IVA") == "CHE-107.787.577 IVA"
