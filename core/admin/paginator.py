"""Owns counting for lists: never a count of a million rows."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

LIMIT = 10_000


class CappedPaginator(Paginator):
    """Counts to 10,000 and stops there: nobody pages further, and a count of a huge table takes seconds.

    A list that goes on says "more than 10,000": staff narrow it with a filter or a search.
    """

    template_name = "admin/capped_pagination.html"

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows[: LIMIT + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._counted, LIMIT)

    @property
    def is_capped(self) -> bool:
        return self._counted > LIMIT
