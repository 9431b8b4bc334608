"""Pictures: objects of the store, and archives of them, in chunks and from chunks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import IO

from aihub.problems import N_
from inference.batch.inputs.described import ZIP, Described, Unreadable
from inference.batch.inputs.entries import (
    DAMAGED,
    Entry,
    index_read,
    index_write,
    picture_row,
    too_large,
)
from inference.batch.inputs.sources import Unwrapped, codec_of, filled
from inference.batch.inputs.tars import Forward, Seeking, laid_rows, lay, tar_entries, tar_rows
from inference.batch.inputs.zips import zip_entries, zip_rows
from inference.batch.keys import is_plain, is_within
from inference.batch.rows import Fault, Files, Place, Rows

FETCHERS = 8  # objects that are fetched at the same time
NO_OBJECT = N_("There is no object “%(key)s” in the store.")
OUTSIDE = N_("“%(key)s” does not lie under a prefix that the job may read.")


def image_places(
    files: Files, described: Described, rows: int, names: Iterator[str]
) -> Iterator[Place]:
    """Chunks of the objects themselves: their keys, laid down under one of `names` for each."""
    for start in range(0, len(described.files), rows):
        keys, index = described.files[start : start + rows], next(names)
        index_write(files, index, map(Entry, keys))
        yield Place(described.form, start, len(keys), {"index": index})


def image_rows(files: Files, place: Place) -> Iterator[Rows]:
    """Objects, fetched some at a time, in order."""
    keys = [entry.name for entry in index_read(files, place.where["index"])]
    for key, found in zip(keys, _fetched(files, keys), strict=True):
        yield picture_row(key, found)


def with_pictures(files: Files, blocks: Iterable[Rows], roots: Sequence[str]) -> Iterator[Rows]:
    """Rows whose items are keys in the store, with the objects in their place."""
    for block in blocks:
        keys = [
            item if isinstance(item, str) and is_plain(item) and is_within(item, roots) else None
            for item in block.items or ()
        ]
        fetched = _fetched(files, [key for key in keys if key is not None])
        for i, key in enumerate(keys):
            outcome = block.faults.get(i) or _outside(block, i) if key is None else next(fetched)
            row = picture_row("", outcome)
            row.keys = block.keys[i : i + 1]
            yield row


def _outside(block: Rows, index: int) -> Fault:
    assert block.items is not None
    return Fault(OUTSIDE, {"key": str(block.items[index])[:200]})


def _fetched(files: Files, keys: Sequence[str]) -> Iterator[bytes | Fault]:
    """Objects in order; errors of the store pass through."""
    with ThreadPoolExecutor(FETCHERS) as pool:
        waiting: deque[Future[bytes | Fault]] = deque()
        todo = iter(keys)
        for key in chain(islice(todo, FETCHERS), todo):
            if len(waiting) == FETCHERS:
                yield waiting.popleft().result()
            waiting.append(pool.submit(_fetch, files, key))
        while waiting:
            yield waiting.popleft().result()


def _fetch(files: Files, key: str) -> bytes | Fault:
    try:
        size = files.size(key)
        fault = too_large(size)
        if fault is not None:
            return fault
        with files.open(key) as file:
            return filled(file, size)
    except FileNotFoundError:
        return Fault(NO_OBJECT, {"key": key})


class ArchivePlanner:
    """Cuts one archive into chunks of `rows` pictures; `names` gives the keys of what it lays down.

    Plain archives are read where they lie, by an index; compressed ones are laid out anew.
    """

    def __init__(self, files: Files, described: Described, rows: int, names: Iterator[str]) -> None:
        self._files = files
        self._described = described
        self._rows = rows
        self._names = names

    def places(self, key: str, before: int) -> Iterator[Place]:
        """Chunks of an archive; Unreadable where nothing in it can be read."""
        with self._files.open(key) as file:
            codec = "" if self._described.form == ZIP else codec_of(filled(file, 4))
            size = self._files.size(key)
            if codec:
                source = Forward(Unwrapped(file, codec))
                entries = self._sound(tar_entries(source, None), key)
                yield from self._laid(source, entries, before)
                return
            found = zip_entries(file, size) if self._described.form == ZIP else None
            entries = self._sound(found or tar_entries(Seeking(file), size), key)
            yield from self._indexed(key, entries, before)

    def _sound(self, entries: Iterator[Entry], key: str) -> Iterator[Entry]:
        """The entries, named where they have no name; Unreadable where the first is damaged."""
        name = self._described.name(key)
        for index, entry in enumerate(entries):
            if entry.fault is not None and entry.fault.message == DAMAGED:
                if not index and entry.name == "?":
                    raise Unreadable(N_("The archive “%(name)s” cannot be read."), name=name)
                entry = Entry(name if entry.name == "?" else entry.name, fault=entry.fault)
            yield entry

    def _indexed(self, key: str, entries: Iterator[Entry], before: int) -> Iterator[Place]:
        while chunk := list(islice(entries, self._rows)):
            index = next(self._names)
            index_write(self._files, index, chunk)
            where = {"file": key, "index": index}
            yield Place(self._described.form, before, len(chunk), where)
            before += len(chunk)

    def _laid(self, source: Forward, entries: Iterator[Entry], before: int) -> Iterator[Place]:
        while (first := next(entries, None)) is not None:
            spilled, count = next(self._names), 0
            with self._files.write(spilled) as sink:
                for entry in chain([first], islice(entries, self._rows - 1)):
                    lay(sink, source, entry)
                    count += 1
            yield Place(self._described.form, before, count, {"spilled": spilled})
            before += count


def archive_rows(files: Files, place: Place) -> Iterator[Rows]:
    """The pictures of a chunk, one by one."""
    where = place.where
    if "spilled" in where:
        with files.open(where["spilled"]) as file:
            yield from laid_rows(file)
        return
    read: Callable[[IO[bytes], Iterator[Entry]], Iterator[Rows]]
    read = zip_rows if place.kind == ZIP else tar_rows
    with files.open(where["file"]) as file:
        yield from read(file, index_read(files, where["index"]))
