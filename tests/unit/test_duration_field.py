"""A time typed into a form, in words or as ISO 8601."""

import pytest
from django.core.exceptions import ValidationError

from customers.admin.setting_fields import DurationField


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("30 days", "P30D"),
        ("10", "P10D"),
        ("1 Month", "P1M"),
        ("1 month 12 hours", "P1MT12H"),
        ("1 year, 2 weeks", "P1Y2W"),
        ("90 minutes", "PT90M"),
        ("none", "PT0S"),
        ("0", "PT0S"),
        ("P30D", "P30D"),
        ("pt1h", "PT1H"),
        ("", None),
    ],
)
def test_a_time_is_read_as_people_write_it(typed, kept):
    assert DurationField(required=False).clean(typed) == kept


@pytest.mark.parametrize("typed", ["soon", "30 dayz", "-3 days", "1.5 days", "3 days late", "days"])
def test_what_is_no_time_is_refused_in_words_for_people(typed):
    with pytest.raises(ValidationError, match="Give a time such as 30 days"):
        DurationField().clean(typed)


def test_what_is_kept_is_shown_in_words_and_the_same_is_no_change():
    field = DurationField()
    assert (field.prepare_value("P3D"), field.prepare_value("PT0S")) == ("3 days", "none")
    assert not field.has_changed("P3D", "3 days")
    assert field.has_changed("P3D", "4 days")
