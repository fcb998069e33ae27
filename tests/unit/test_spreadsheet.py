"""Cells of exports: text that a spreadsheet would run as a formula is defused, numbers stay numbers."""

from decimal import Decimal

import pytest

from core.spreadsheet import safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_text_that_would_run_as_a_formula_is_defused(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["Acme", "", "a=b", Decimal("-5.00"), -5, None])
def test_everything_else_stays_as_it_is(value):
    assert safe_cell(value) == value
