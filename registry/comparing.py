"""Two versions side by side, as plain values: what is the same of them, and what is not."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.models import ModelVersion, VersionFile

MOST_LABELS = 1000  # shown of those that came or went
FIELDS = (
    "state",
    "format",
    "architecture",
    "num_classes",
    "parameter_count",
    "size",
    "preprocessing",
    "sparsity",
    "description",
    "created_by",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing of both; None where a version does not have it."""

    name: str
    left: Any
    right: Any

    @property
    def same(self) -> bool:
        return bool(self.left == self.right)

    @property
    def difference(self) -> float | None:
        """How much larger the right number is."""
        if not (_is_number(self.left) and _is_number(self.right)):
            return None
        difference = float(self.right) - float(self.left)
        return difference if math.isfinite(difference) else None


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of the right that the left lacks, the other way round, and how many both have.

    The lists are cut, the counts are not.
    """

    added: Sequence[str]
    removed: Sequence[str]
    added_count: int
    removed_count: int
    same: int


@dataclass(frozen=True, slots=True)
class File:
    """The content of a file, once it is known."""

    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    left: ModelVersion
    right: ModelVersion
    fields: Sequence[Pair]
    metrics: Sequence[Pair]
    parameters: Sequence[Pair]
    source: Sequence[Pair]
    labels: Labels
    files: Sequence[Pair]


def compare(left: ModelVersion, right: ModelVersion) -> Comparison:
    """Everything that can be held side by side; files are pairs of `File` under their path."""
    return Comparison(
        left=left,
        right=right,
        fields=[Pair(name, getattr(left, name), getattr(right, name)) for name in FIELDS],
        metrics=_pairs(_flat(left.metrics), _flat(right.metrics)),
        parameters=_pairs(_flat(left.parameters), _flat(right.parameters)),
        source=_pairs(left.source, right.source),
        labels=_labels(left.labels, right.labels),
        files=_pairs(_files(left), _files(right)),
    )


def _pairs(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Pair]:
    """One pair a name, in the order of the left, then what only the right has."""
    return [Pair(name, left.get(name), right.get(name)) for name in {**left, **right}]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name, those of an object within by `outer.inner`."""
    return dict(_entries(values))


def _entries(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from ((f"{name}.{inner}", within) for inner, within in value.items())
        else:
            yield name, value


def _labels(left: Sequence[str], right: Sequence[str]) -> Labels:
    before, after = dict.fromkeys(left), dict.fromkeys(right)
    added = [label for label in after if label not in before]
    removed = [label for label in before if label not in after]
    return Labels(
        added=added[:MOST_LABELS],
        removed=removed[:MOST_LABELS],
        added_count=len(added),
        removed_count=len(removed),
        same=len(after) - len(added),
    )


def _files(version: ModelVersion) -> dict[str, File]:
    files = version.files.all()
    return {file.path: _content(file) for file in files}


def _content(file: VersionFile) -> File:
    return File(file.size, file.blob.sha256 if file.blob else None)


def _is_number(value: Any) -> bool:
    try:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    except OverflowError:  # whole numbers have no end
        return False
