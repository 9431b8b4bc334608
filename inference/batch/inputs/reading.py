"""The two ways through an input: once from its beginning, and a chunk at a time."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from aihub.problems import N_
from inference.batch.inputs.csv_rows import CsvRows
from inference.batch.inputs.described import CSV, IMAGES, PARQUET, TABLES, Described, Unreadable
from inference.batch.inputs.describing import check_file, describe, found, is_complete
from inference.batch.inputs.grouping import regrouped, rows_from
from inference.batch.inputs.jsonl_rows import JsonRows
from inference.batch.inputs.keys import Naming
from inference.batch.inputs.lines import CUT
from inference.batch.inputs.parquet import parquet_places, parquet_rows
from inference.batch.inputs.pictures import (
    ArchivePlanner,
    archive_rows,
    image_places,
    image_rows,
    with_pictures,
)
from inference.batch.inputs.tables import header_of
from inference.batch.inputs.taking import IMAGE_KEY
from inference.batch.inputs.text_tables import TextPlanner, chunk_blocks
from inference.batch.rows import PICTURES, Fault, Files, Place, Rows, Wanted


def places(
    files: Files, described: Described, wanted: Wanted, rows: int, spill: str
) -> Iterator[Place]:
    """Chunks of about `rows` rows, in order, each as soon as it is known; Unreadable.

    The input is read once. What cannot be read from the middle later is written under `spill`.
    """
    described = describe(files, described, wanted)
    place = None
    for place in _all_places(files, described, rows, spill):
        yield place
    if place is None:
        raise Unreadable(N_("The input has no rows."))


def rows_of(
    files: Files, place: Place, described: Described, wanted: Wanted, batch: int
) -> Iterator[Rows]:
    """The rows of a chunk, at most `batch` together, each time the same."""
    if not is_complete(described):
        described = describe(files, described, wanted)
    yield from regrouped(_blocks(files, place, described, wanted), wanted, batch)


def columns_of(files: Files, described: Described, wanted: Wanted) -> dict[str, Any]:
    """For a report: the form, a table's columns, and which of them each input is taken from."""
    complete, columns = found(files, described, wanted)
    return {
        "form": complete.form,
        "delimiter": complete.delimiter,
        "columns": [{"name": column.name, "kind": column.kind} for column in columns],
        "inputs": {
            name: [column] if isinstance(column, str) else list(column)
            for name, column in complete.columns.items()
        },
        "key": complete.key,
    }


def _all_places(files: Files, described: Described, rows: int, spill: str) -> Iterator[Place]:
    names = (f"{spill}/{number:06d}" for number in count())
    if described.form == IMAGES:
        yield from image_places(files, described, rows, names)
        return
    before = 0
    for key in described.files:
        if not files.size(key):
            continue
        check_file(files, key, described, first=not before)
        for place in _file_places(files, described, key, rows, before, names):
            before = place.first + place.rows
            yield place


def _file_places(
    files: Files, described: Described, key: str, rows: int, before: int, names: Iterator[str]
) -> Iterator[Place]:
    if described.form == PARQUET:
        return parquet_places(files, described, key, rows, before)
    if described.form not in TABLES:
        return ArchivePlanner(files, described, rows, names).places(key, before)
    skip = int(described.form == CSV and described.header)
    return TextPlanner(files, described, rows, names).places(key, before, skip=skip)


def _blocks(files: Files, place: Place, described: Described, wanted: Wanted) -> Iterator[Rows]:
    if place.kind == IMAGES:
        return image_rows(files, place)
    if place.kind not in TABLES:
        return archive_rows(files, place)
    rows = (
        parquet_rows(files, place, described, wanted)
        if place.kind == PARQUET
        else _text_rows(files, place, described, wanted)
    )
    if wanted.kind == PICTURES and IMAGE_KEY in described.columns:
        return with_pictures(files, rows, described.image_root)
    return rows


def _text_rows(files: Files, place: Place, described: Described, wanted: Wanted) -> Iterator[Rows]:
    where = place.where
    naming = Naming(described, where["file"], where["row"])
    if place.kind == CSV:
        header = header_of(files, where["file"], described)
        reader: CsvRows | JsonRows = CsvRows(described, wanted, header, naming)
    else:
        reader = JsonRows(described, wanted, naming)
    for block in chunk_blocks(files, place, described):
        if len(block):
            yield from reader.rows(block)
    if "cut" in where:
        fault = Fault(CUT, {}, where["cut"])
        yield from rows_from(naming.next(1), [fault], wanted.kind)
