"""From parts to one output."""

from collections.abc import Iterable, Iterator
from typing import IO, cast

from inference.batch.outputs.formats import format_of
from inference.batch.outputs.shape import Joined, Part, Shape
from inference.batch.outputs.sums import Checked, Summed

Parts = Iterable[tuple[Part, IO[bytes]]]


def assemble(shape: Shape, parts: Parts, out: IO[bytes]) -> Joined:
    """Write parts, whose streams are read forward only, as one output, in flat memory.

    DamagedPart where a part is not the one that was written: `out` is then of no use.
    """
    counted = _Counted(parts)
    summed = Summed(out, "sha256", "md5")
    format_of(shape).join(shape, counted, summed)
    return Joined(counted.rows, counted.failed, summed.size, **summed.sums())


class _Counted:
    """The same parts, checked and counted on their way."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.rows = self.failed = 0

    def __iter__(self) -> Iterator[tuple[Part, IO[bytes]]]:
        for part, file in self._parts:
            yield part, cast(IO[bytes], Checked(part, file))
            self.rows += part.rows
            self.failed += part.failed
