"""When Python looks for reference cycles: between batches, and as usual once they are done, however they end."""

import gc
import weakref

import pytest

from core.garbage import collected_between_batches


class Knot:
    """Refers to itself: only a search for cycles frees it."""

    def __init__(self):
        self.itself = self


def test_cycles_go_between_batches_and_not_within():
    with collected_between_batches() as collect:
        seen = weakref.ref(Knot())
        for _ in range(10 * gc.get_threshold()[0]):
            Knot()
        assert seen() is not None
        collect()
        assert seen() is None


def test_the_search_is_on_again_after_an_error():
    with pytest.raises(ValueError, match="broken"), collected_between_batches():
        raise ValueError("broken")
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_block_within_a_block_leaves_the_search_off_until_the_outer_one_ends():
    with collected_between_batches():
        with collected_between_batches():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_whoever_had_turned_the_search_off_finds_it_off():
    gc.disable()
    try:
        with collected_between_batches():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
