"""Which countries, currencies and time zones may be chosen."""

import pytest

from core.countries_and_zones import country_names, currency_names, offered_zones
from core.errors import InvalidInput
from core.periods import zone_info


def test_a_country_is_one_of_iso_3166_or_kosovo():
    # 249 of ISO 3166-1, and XK.
    assert len(country_names()) == 250
    assert (country_names()["AT"], country_names()["AU"]) == ("Austria", "Australia")
    assert not {"EU", "UN", "ZZ", "XA", "AC", "EZ"} & set(country_names())


def test_a_currency_has_a_name_and_known_places():
    assert currency_names()["EUR"] == "Euro"
    assert "XXX" not in currency_names()


def test_a_zone_is_offered_in_one_spelling():
    assert offered_zones()[0] == "UTC"
    assert "Europe/Vienna" in offered_zones()
    assert not {"localtime", "Factory", "US/Pacific", "Etc/GMT+5"} & set(offered_zones())


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules", "Europe", "Vienna", "europe/../UTC"])
def test_what_names_no_place_is_no_time_zone(name):
    with pytest.raises(InvalidInput):
        zone_info(name)
