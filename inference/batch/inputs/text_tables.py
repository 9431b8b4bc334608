"""Tables that are text, CSV and JSON lines: where they are cut into chunks, and blocks of one."""

import codecs
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from inference.batch.inputs.described import CSV, Described
from inference.batch.inputs.lines import BOM, CUT, Block, Scan, blocks, csv_records, json_lines
from inference.batch.inputs.sources import Plain, Recoded, Stream, Unwrapped, opened, packed
from inference.batch.rows import Files, Place


def scan_of(described: Described) -> Scan:
    """How records end in this form."""
    return csv_records(described.delimiter) if described.form == CSV else json_lines


def is_wide(encoding: str) -> bool:
    """Whether a character's bytes do not stand for themselves: such texts are read as UTF-8."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def encoding_of(described: Described) -> str:
    """Of the records that are read."""
    return "utf-8" if is_wide(described.encoding) else described.encoding


@contextmanager
def read_from_start(files: Files, key: str, described: Described) -> Iterator["Text"]:
    """A file as a text without its byte order mark."""
    with opened(files, key) as (stream, codec):
        wide = is_wide(described.encoding)
        text: Stream = stream
        if wide:
            text = Recoded(stream, described.encoding)
        head = text.read(len(BOM))
        marked = head == BOM
        yield Text(text, len(BOM) if marked else 0, b"" if marked else head, not codec and not wide)


@dataclass(frozen=True, slots=True)
class Text:
    """A stream at position `at`, `held` being what was read of it; `plain` where it lies as it is
    read, so that any part of it can be found again."""

    stream: Stream
    at: int
    held: bytes
    plain: bool

    def blocks(self, described: Described) -> Iterator[Block]:
        return blocks(self.stream, scan_of(described), at=self.at, held=self.held)


@dataclass(slots=True)
class _Draft:
    """A chunk whose end is not yet known."""

    row: int  # of the file
    start: int
    line: int
    rows: int = 0
    size: int = 0
    cut: int | None = None
    spilled: str = ""
    sink: Any = None
    opened: ExitStack = field(default_factory=ExitStack)

    def add(self, data: bytes, rows: int) -> None:
        self.size += len(data)
        self.rows += rows
        if self.sink is not None:
            self.sink.write(data)

    def place(self, described: Described, file: str, before: int) -> Place:
        """What it has become; `before` are the rows of the files before."""
        self.opened.close()
        where: dict[str, Any] = {"file": file, "row": self.row, "line": self.line}
        if self.spilled:
            where["spilled"] = self.spilled
        else:
            where |= {"start": self.start, "size": self.size}
        if self.cut is not None:
            where["cut"] = self.cut
        return Place(described.form, before + self.row, self.rows, where)


class TextPlanner:
    """Cuts one file into chunks of `rows` rows. `names` gives the keys of what is laid anew."""

    def __init__(self, files: Files, described: Described, rows: int, names: Iterator[str]) -> None:
        self._files = files
        self._described = described
        self._rows = rows
        self._names = names

    def places(self, file: str, before: int, *, skip: int) -> Iterator[Place]:
        """Chunks without the first `skip` records (a header)."""
        row = 0
        draft: _Draft | None = None
        with read_from_start(self._files, file, self._described) as text:
            for block in text.blocks(self._described):
                begin = min(skip, len(block))
                skip -= begin
                for start, end in self._spans(block, begin, draft.rows if draft else self._rows):
                    if draft is None or (draft.rows == self._rows and end > start):
                        if draft is not None:
                            yield draft.place(self._described, file, before)
                        draft = self._draft(row, block, start, text.plain)
                    self._fill(draft, block, start, end)
                    row += end - start
        if draft is not None and draft.rows:
            yield draft.place(self._described, file, before)

    def _spans(self, block: Block, start: int, have: int) -> Iterator[tuple[int, int]]:
        """Records of a block by chunk; a block without records continues the chunk before it."""
        if start == len(block):
            if not start:
                yield start, start
            return
        while start < len(block):
            have = 0 if have == self._rows else have
            end = min(start + self._rows - have, len(block))
            yield start, end
            have, start = have + end - start, end

    def _draft(self, row: int, block: Block, start: int, plain: bool) -> _Draft:
        position = block.at + int(block.starts[start]) if len(block) else block.at
        draft = _Draft(row, position, int(block.lines[start]) if len(block) else 0)
        if not plain:
            draft.spilled = next(self._names)
            draft.sink = draft.opened.enter_context(packed(self._files, draft.spilled))
        return draft

    def _fill(self, draft: _Draft, block: Block, start: int, end: int) -> None:
        if 0 in block.faults and block.faults[0].message == CUT:
            draft.cut = block.faults[0].line
            draft.rows += 1
            return
        # Blank lines in front belong to the chunk that was begun before them.
        first = int(block.starts[start]) if not draft.size and start < len(block) else 0
        last = int(block.starts[end]) if end < len(block) else len(block.data)
        draft.add(block.data[first:last], end - start)


def chunk_blocks(files: Files, place: Place, described: Described) -> Iterator[Block]:
    """The blocks of a chunk, as they were planned."""
    where, scan = place.where, scan_of(described)
    spilled = where.get("spilled")
    with files.open(spilled or where["file"]) as file:
        stream: Stream = (
            Unwrapped(file, "zstd") if spilled else Plain(file, where["start"], where["size"])
        )
        yield from blocks(stream, scan, line=where["line"])
