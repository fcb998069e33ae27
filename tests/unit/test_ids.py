import time
import uuid

from ulid import ULID

from core import ids
from core.ids import from_text, new_id, to_text


def test_text_and_uuid_are_two_forms_of_one_id():
    value = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert to_text(value) == "01H455VB4PEX5VSKNK084SN02Q"
    assert from_text("01H455VB4PEX5VSKNK084SN02Q") == value
    assert from_text("01h455vb4pex5vsknk084sn02q") == value


def test_text_that_is_no_id_gives_none():
    assert from_text("acme") is None
    assert from_text("U" * 26) is None
    assert from_text("8ZZZZZZZZZZZZZZZZZZZZZZZZZ") is None


def test_new_ids_differ_and_sort_in_the_order_in_which_they_were_made():
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert sorted(ids) == ids


def test_a_new_id_begins_with_its_time(monkeypatch):
    monkeypatch.setattr(ids, "_last", 0)  # a test before this one may have made ids in a later time
    before = time.time_ns() // 1_000_000
    milliseconds = ULID.from_uuid(new_id()).milliseconds
    assert before <= milliseconds <= before + 1000
