"""Rows of JSON lines: an object by column, or directly what the only input takes."""

from collections.abc import Iterator
from typing import Any

from aihub.problems import N_
from inference.batch.inputs.described import Described
from inference.batch.inputs.grouping import Outcome, rows_from
from inference.batch.inputs.json_values import NoJson, json_value
from inference.batch.inputs.keys import Naming
from inference.batch.inputs.lines import Block
from inference.batch.inputs.taking import Taker
from inference.batch.inputs.tensors import MISSING, Bad, all_together
from inference.batch.inputs.text_tables import encoding_of
from inference.batch.rows import TENSORS, Fault, Keys, Rows, Wanted
from inference.runtimes.base import Arrays

NO_JSON = N_("The line is no JSON: %(error)s.")
NO_OBJECT = N_("The line is no JSON object.")


class JsonRows:
    """Makes rows of blocks."""

    def __init__(self, described: Described, wanted: Wanted, naming: Naming) -> None:
        self._kind = wanted.kind
        self._key = described.key
        encoding = encoding_of(described)
        self._encoding = None if encoding.replace("_", "-").lower() == "utf-8" else encoding
        self._taker = Taker(described, wanted)
        self._direct = len(self._taker.targets) == len(self._taker.targets[0].columns) == 1
        self._naming = naming

    def rows(self, block: Block) -> Iterator[Rows]:
        """The rows of a block, in one piece or in several."""
        records = [self._record(block, index) for index in range(len(block))]
        arrays = self._at_once(records) if self._kind == TENSORS else None
        if arrays is not None:
            yield Rows(self._keys(records), arrays=arrays)
            return
        outcomes = [self._outcome(value, int(block.lines[i])) for i, value in enumerate(records)]
        yield from rows_from(self._keys(records), outcomes, self._kind)

    def _keys(self, records: list[Any]) -> Keys:
        values = [_key(value, self._key) for value in records] if self._key else None
        return self._naming.next(len(records), values)

    def _at_once(self, records: list[Any]) -> Arrays | None:
        """The tensors of records without any fault, where each input is one column; or None."""
        arrays: Arrays = {}
        for target in self._taker.targets:
            if len(target.columns) > 1 or not all(type(value) is dict for value in records):
                return None
            column = target.columns[0]
            found = all_together(target, [value.get(column) for value in records])
            if found is None:
                return None
            arrays[target.name] = found
        return arrays

    def _record(self, block: Block, index: int) -> Any:
        """The value of a line, or a Fault."""
        if index in block.faults:
            return block.faults[index]
        data: bytes | str = block.record(index)
        try:
            if self._encoding is not None:
                data = block.record(index).decode(self._encoding)
            return json_value(data)
        except (NoJson, UnicodeDecodeError) as error:
            return Fault(NO_JSON, {"error": str(error)}, int(block.lines[index]))

    def _outcome(self, value: Any, line: int) -> Outcome:
        if isinstance(value, Fault):
            return value
        if not isinstance(value, dict) and not self._direct:
            return Fault(NO_OBJECT, {}, line)

        def get(column: str) -> Any:
            if not isinstance(value, dict):
                return value
            if column not in value:
                raise Bad(MISSING, column=column)
            return value[column]

        return self._taker.take(get, line)


def _key(value: Any, column: str) -> Any:
    return value.get(column) if isinstance(value, dict) else None
