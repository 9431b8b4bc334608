"""Looking into parts and outputs, and retrying single rows of a part."""

from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import IO, Any

from inference.batch.outputs.formats import format_of
from inference.batch.outputs.shape import Part, Shape
from inference.batch.outputs.sums import Summed


def failed_rows(path: Path, shape: Shape) -> list[int]:
    """Indices, rising, of the rows of a part that have an error."""
    return [index for index, _, _ in format_of(shape).errors(path, shape)]


def sample_errors(path: Path, shape: Shape, most: int) -> list[tuple[Any, str]]:
    """Key and error of the first rows of a part that have one."""
    errors = islice(format_of(shape).errors(path, shape), most)
    return [(key, error) for _, key, error in errors]


def preview(file: IO[bytes], shape: Shape, most: int) -> list[dict[str, Any]]:
    """The first rows of an output, whatever its format: key, predictions, version, error."""
    return list(format_of(shape).rows(file, shape, most))


def replace_rows(path: Path, shape: Shape, new: Path, at: Sequence[int], out: Path) -> Part:
    """Write a part anew, its rows at these rising indices replaced by those of the part `new`.

    ValueError unless `new` has one row for each index.
    """
    if any(first >= second for first, second in pairwise(at)):
        raise ValueError("indices must rise")
    form = format_of(shape)
    with out.open("wb") as file:
        summed = Summed(file, "sha256")
        content = form.replace(path, shape, new, at, summed)
    sums = summed.sums()
    return Part(content.rows, content.failed, summed.size, **sums, checks=content.checks)
