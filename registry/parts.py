"""Files in parts: what the hub asks of a store so that a large file may come part by part.

The store alone knows which parts arrived. Parts count from 1; all but the last are of one size.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Protocol

from registry.parts_folder import FolderParts
from registry.parts_s3 import S3Parts
from registry.parts_types import Part, PartsLost
from registry.storage import LocalBlobStorage, blob_storage

__all__ = ["FolderParts", "Part", "PartStore", "PartsLost", "part_store"]


class PartStore(Protocol):
    """A store that takes files in parts; `store_id` is what `begin` answered."""

    def begin(self, key: str) -> str:
        """Make ready to take parts of what shall lie at `key`."""

    def url(self, key: str, store_id: str, part: int, size: int) -> str:
        """Where a part of `size` bytes is PUT, for an hour; a path where it is the hub itself."""

    def arrived(self, key: str, store_id: str) -> list[Part]:
        """The parts that are there, in their order; `PartsLost` where it knows none.

        Some stores list a part twice that was sent twice, and keep both until they are joined.
        """

    def join(self, key: str, store_id: str, parts: Sequence[Part]) -> None:
        """Make one object of the parts; `PartsLost` where it knows none."""

    def forget(self, key: str) -> None:
        """Remove whatever parts there are of `key`; no error where there are none."""

    def begun_before(self, moment: datetime) -> Iterator[tuple[str, str]]:
        """Key and id of what was begun before `moment` and is neither joined nor forgotten."""


def part_store() -> PartStore:
    """The parts of the store that the settings name."""
    storage = blob_storage()
    return FolderParts(storage) if isinstance(storage, LocalBlobStorage) else _on_s3()


@cache
def _on_s3() -> S3Parts:
    return S3Parts()
