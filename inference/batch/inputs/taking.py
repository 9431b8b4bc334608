"""A row of what the model takes, from the values of a table's columns."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from aihub.problems import N_
from inference.batch.inputs.described import Described
from inference.batch.inputs.grouping import Outcome
from inference.batch.inputs.tensors import EMPTY, NO_TEXT, Bad, Target, parsed, tensor
from inference.batch.rows import TENSORS, TEXTS, Fault, Wanted
from inference.runtimes.base import Arrays

MAX_TEXT = 1_000_000  # characters
MAX_PICTURE = 100 << 20  # bytes
IMAGE, IMAGE_KEY, TEXT = "image", "image_key", "text"
LONG_TEXT = N_("Column “%(column)s” has %(count)s characters; at most %(most)s are read.")
TOO_LARGE = N_("The picture has %(count)s bytes; at most %(most)s are read.")
NO_BASE64 = N_("Column “%(column)s” is not base64.")
NO_PICTURE = N_("Column “%(column)s” is no picture.")

Get = Callable[[str], Any]  # a row's value by column; may raise Bad


def targets_of(described: Described, wanted: Wanted) -> tuple[Target, ...]:
    """What the model takes, each with its columns."""
    columns = {
        name: (column,) if isinstance(column, str) else tuple(column)
        for name, column in described.columns.items()
    }
    if wanted.kind == TENSORS:
        return tuple(Target(spec.name, columns[spec.name], spec) for spec in wanted.tensors)
    names = (TEXT,) if wanted.kind == TEXTS else (IMAGE, IMAGE_KEY)
    return tuple(Target(name, columns[name]) for name in names if name in columns)[:1]


class Taker:
    """Makes a row out of the values of its columns. `cells` says that these are cells of CSV."""

    def __init__(self, described: Described, wanted: Wanted, *, cells: bool = False) -> None:
        self.targets = targets_of(described, wanted)
        self._kind = wanted.kind
        self._parsers: Mapping[str, Callable[[str, str], Any]] = {}
        if cells and wanted.kind == TENSORS:
            self._parsers = {target.name: parsed(target) for target in self.targets}

    def take(self, get: Get, line: int | None = None) -> Outcome:
        """The row, or the fault that it has."""
        try:
            if self._kind == TENSORS:
                return self._arrays(get)
            return self._item(self.targets[0], get)
        except Bad as bad:
            return Fault(bad.message, bad.values, line)

    def _arrays(self, get: Get) -> Arrays:
        return {target.name: tensor(target, self._values(target, get)) for target in self.targets}

    def _values(self, target: Target, get: Get) -> list[Any]:
        parse = self._parsers.get(target.name)
        if parse is None:
            return [get(column) for column in target.columns]
        return [parse(get(column), column) for column in target.columns]

    def _item(self, target: Target, get: Get) -> bytes | str:
        column = target.columns[0]
        value = get(column)
        if value is None or (value == "" and target.name != TEXT):
            raise Bad(EMPTY, column=column)
        if target.name == IMAGE:
            return picture(value, column)
        if isinstance(value, bytes):
            value = _decoded(value, column)
        if not isinstance(value, str):
            raise Bad(NO_TEXT, column=column)
        if len(value) > MAX_TEXT:
            raise Bad(LONG_TEXT, column=column, count=len(value), most=MAX_TEXT)
        return value


def picture(value: Any, column: str) -> bytes:
    """Encoded bytes from bytes, from `{bytes: …}`, or from base64 with or without a `data:` URL."""
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, str):
        encoded = value.partition(",")[2] if value.startswith("data:") else value
        try:
            value = base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError):
            raise Bad(NO_BASE64, column=column) from None
    if not isinstance(value, bytes):
        raise Bad(NO_PICTURE, column=column)
    if len(value) > MAX_PICTURE:
        raise Bad(TOO_LARGE, count=len(value), most=MAX_PICTURE)
    return value


def _decoded(value: bytes, column: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Bad(NO_TEXT, column=column) from None
