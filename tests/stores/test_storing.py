"""What an engine stores: each event once by source and id, whatever comes again, late, or is taken back."""

from tests.stores.conftest import event
from tests.support.clock import at

MARCH = ("2026-03-01", "2026-04-01")


def test_a_batch_is_stored_and_the_new_ones_are_counted(house):
    meter = house.meter()

    assert house.send(event("1", "2026-03-02T10:00", 5), event("2", "2026-03-02T11:00", 7)) == 2
    assert house.usage(meter, MARCH) == ("12", 2, 0)


def test_an_event_that_comes_again_is_dropped_whatever_it_says(house):
    meter = house.meter()
    house.send(event("1", "2026-03-02T10:00", 5))

    assert house.send(event("1", "2026-03-02T10:00", 5)) == 0
    assert house.send(event("1", "2026-03-09T10:00", 900, subject="bolt", type="other")) == 0
    assert house.usage(meter, MARCH) == ("5", 1, 0)
    assert house.usage(meter, MARCH, subjects=["bolt"]) == ("0", 0, 0)


def test_within_a_batch_the_first_of_a_key_wins(house):
    meter = house.meter()

    assert house.send(*(event("1", "2026-03-02T10:00", value) for value in (5, 6, 7))) == 1
    assert house.usage(meter, MARCH) == ("5", 1, 0)


def test_a_batch_that_is_half_stored_already_adds_the_other_half(house):
    meter = house.meter()
    house.send(*(event(str(number), "2026-03-02T10:00", 1) for number in range(3)))

    assert house.send(*(event(str(number), "2026-03-02T10:00", 1) for number in range(5))) == 2
    assert house.usage(meter, MARCH) == ("5", 5, 0)


def test_another_source_may_use_the_same_id(house):
    meter = house.meter()
    house.send(event("1", "2026-03-02T10:00", 5))

    assert house.send(event("1", "2026-03-02T10:00", 5, source="other")) == 1
    assert house.usage(meter, MARCH) == ("10", 2, 0)


def test_nothing_at_all_is_stored_as_well(house):
    assert house.send() == 0


def test_a_thousand_events_are_one_batch(house):
    meter = house.meter()

    assert house.send(*(event(str(number), "2026-03-02T10:00", number) for number in range(1000))) == 1000
    assert house.usage(meter, MARCH) == ("499500", 1000, 0)


def test_a_late_event_counts_in_its_own_time(house):
    meter = house.meter()
    house.send(event("1", "2026-03-04T10:00", 5))
    house.send(event("late", "2026-01-31T23:59:59.999999", 7), event("old", "1970-01-01T00:00", 9))

    assert house.usage(meter, MARCH) == ("5", 1, 0)
    assert house.usage(meter, ("2026-01-31", "2026-02-01")) == ("7", 1, 0)
    assert house.usage(meter, ("1970-01-01", "2026-02-01")) == ("16", 2, 0)


def test_an_event_of_before_its_meter_counts_once_the_meter_is_there(house):
    house.send(event("1", "2026-03-02T10:00", 5))
    meter = house.meter()
    house.send(event("2", "2026-03-02T10:00", 7))

    assert house.usage(meter, MARCH) == ("12", 2, 0)


def test_what_no_meter_reads_is_kept_and_names_of_any_characters_are(house):
    odd = 'it\'s \\ "Ünïté" 🙂 {%s}\n'
    house.send(event(odd, "2026-03-02T10:00", 5, source=odd, subject=odd, type=odd))
    found = house.store.find_event(odd, odd)

    assert (found.subject, found.type, found.time) == (odd, odd, at("2026-03-02T10:00"))
    assert house.usage(house.meter(event_type=odd), MARCH, subjects=[odd]) == ("5", 1, 0)


def test_an_event_is_found_by_its_key(house):
    house.send(event("1", "2026-03-02T10:00:00.123456", 5))
    found = house.store.find_event("test", "1")

    assert (found.source, found.external_id, found.type, found.subject) == ("test", "1", "usage", "acme")
    assert found.time == at("2026-03-02T10:00:00.123456")
    assert house.store.find_event("test", "2") is None
    assert house.store.find_event("other", "1") is None


def test_what_is_taken_back_counts_nowhere_and_its_key_stays_taken(house):
    meters = [house.meter(kind) for kind in ("SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST")]
    house.send(*(event(str(value), f"2026-03-02T10:0{value}", value) for value in (1, 2, 9)))
    house.take_back("9")

    figures = ["3", "2", "2", "1.5", "1", "2", "2"]
    assert [house.usage(meter, MARCH) for meter in meters] == [(figure, 2, 0) for figure in figures]
    assert house.query(meters[0], *MARCH, window="DAY") == [("03-02", "03-03", "3")]
    assert house.send(event("9", "2026-03-02T10:09", 9)) == 0
    assert house.usage(meters[0], MARCH) == ("3", 2, 0)
    assert house.store.find_event("test", "9").time == at("2026-03-02T10:09")


def test_where_all_is_taken_back_there_is_nothing(house):
    meter = house.meter("MAX")
    house.send(event("1", "2026-03-02T10:00", 5))
    house.take_back("1")

    assert house.usage(meter, MARCH) == ("0", 0, 0)
    assert house.query(meter, *MARCH) == []
    assert house.store.group_values(meter, "model", start=None, end=None) == []
