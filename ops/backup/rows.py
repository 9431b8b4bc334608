"""Rows as lines of JSON, the same whatever database they come from and go to."""

import base64
import gzip
import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection, models

AT_ONCE = 500

Row = list[Any]


def rows_write(rows: models.QuerySet, path: Path) -> int:
    """Write a table's rows, a line each after a line of its columns; how many there were."""
    fields = rows.model._meta.local_concrete_fields
    count = 0
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=6) as file:
        file.write(json.dumps([field.column for field in fields]) + "\n")
        for row in _streamed(rows, [field.attname for field in fields]):
            file.write(json.dumps([_encoded(value) for value in row], ensure_ascii=False) + "\n")
            count += 1
    return count


def rows_read(path: Path) -> Iterator[Row]:
    """The columns, then the rows as they were written."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


def rows_insert(model: type[models.Model], lines: Iterator[Row]) -> None:
    """Insert what `rows_read` answers, as it was: no default and no signal changes anything."""
    by_column = {field.column: field for field in model._meta.local_concrete_fields}
    columns = next(lines)
    fields = [by_column[column] for column in columns]
    quoted = connection.ops.quote_name
    names = ", ".join(quoted(column) for column in columns)
    places = ", ".join("%s" for _ in columns)
    insert = f"INSERT INTO {quoted(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608
    with connection.cursor() as cursor:
        while batch := list(islice(lines, AT_ONCE)):
            cursor.executemany(insert, [_prepared(fields, row) for row in batch])


def _streamed(rows: models.QuerySet, names: list[str]) -> Iterable[tuple[Any, ...]]:
    """Page by page along the primary key: MySQL's client reads a whole result into memory."""
    key = names.index(rows.model._meta.pk.attname)
    page = list(rows.order_by("pk").values_list(*names)[:AT_ONCE])
    while page:
        yield from page
        page = list(rows.filter(pk__gt=page[-1][key]).order_by("pk").values_list(*names)[:AT_ONCE])


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, uuid.UUID | Decimal | tzinfo):
        return str(value)
    return value


def _prepared(fields: list[models.Field], row: Row) -> list[Any]:
    """Values as the database's driver takes them."""
    pairs = zip(fields, row, strict=True)
    return [field.get_db_prep_save(_decoded(field, value), connection) for field, value in pairs]


def _decoded(field: models.Field, value: Any) -> Any:
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if value is None or isinstance(field, models.JSONField):
        return value
    if isinstance(field, models.BinaryField):
        return base64.b64decode(value)
    return field.to_python(value)
