"""Pages of long lists: the keys of a page are found first, and only then its rows.

What a database sorts and skips on the way to a deep page is keys then, not whole rows.
"""

from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator

MOST_FOUND = 10_000  # rows of a search: what lies beyond is neither counted nor shown


class KeyedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of rows of a queryset."""

    object_list: Any

    def page(self, number: int | str) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self.keys_between(first, min(first + self.per_page, self.count))
        return Page(self.rows(keys), number, self)

    def rows(self, keys: list[int]) -> list[Any]:
        """The rows of these keys, in their order."""
        rows = {row.pk: row for row in self.object_list.order_by().filter(pk__in=keys)}
        return [rows[key] for key in keys if key in rows]

    @cached_property
    def count(self) -> int:
        return int(self._keys.count())

    def keys_between(self, first: int, last: int) -> list[int]:
        return list(self._keys[first:last])

    @property
    def _keys(self) -> Any:
        return self.object_list.values_list("pk", flat=True)


class FoundPaginator(KeyedPaginator):
    """As `KeyedPaginator`, of what a search found: counting it costs as much as finding it, so
    that both are done in one go.
    """

    @cached_property
    def count(self) -> int:
        return len(self._found)

    def keys_between(self, first: int, last: int) -> list[int]:
        return self._found[first:last]

    @cached_property
    def _found(self) -> list[int]:
        return list(self._keys[:MOST_FOUND])
