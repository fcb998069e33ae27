"""Owns when Python looks for reference cycles while a batch is worked off: between batches, not within them.

A batch makes some hundred thousand objects, which go as soon as nothing refers to them. Looking through all of them
for cycles, again and again as their number grows, took a fifth of a close and found next to nothing.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collected_between_batches() -> Iterator[Callable[[], object]]:
    """No search for cycles while the block runs, except when the block calls what it is given: after each batch, so
    that memory stays flat. That search leaves out what was there before the block, which is what makes it cheap.

    For the whole process. Blocks may overlap, in one thread or several: whoever found the search on turns it on again,
    however the block ends.
    """
    was_on = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield gc.collect
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()
