"""What an owner of a job says of its input; completed once, it is kept with the job."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

IMAGES, ZIP, TAR, CSV, JSONL, PARQUET = "images", "zip", "tar", "csv", "jsonl", "parquet"
FORMS = (IMAGES, ZIP, TAR, CSV, JSONL, PARQUET)
TABLES = frozenset({CSV, JSONL, PARQUET})


class Unreadable(Exception):
    """The whole input cannot be read: a translatable template and its values."""

    def __init__(self, message: str, /, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True)
class Described:
    """Files and how they are to be read; what is empty is found from the content."""

    files: tuple[str, ...]  # keys in the store, in order
    form: str = ""  # one of FORMS
    names: Mapping[str, str] = field(default_factory=dict)  # key -> the file's own name
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    key: str = ""  # column of the rows' keys
    delimiter: str = ""  # of CSV
    encoding: str = "utf-8"
    header: bool = True
    several: bool = False  # files: the rows of tables are then named by file and number
    image_root: tuple[str, ...] = ()  # prefixes under which images named by a table may lie

    def name(self, key: str) -> str:
        """What a person calls this file."""
        return self.names.get(key) or key

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "files": list(self.files), "image_root": list(self.image_root)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        columns = {
            name: column if isinstance(column, str) else tuple(column)
            for name, column in value.get("columns", {}).items()
        }
        lists = {name: tuple(value.get(name, ())) for name in ("files", "image_root")}
        return cls(**{**value, **lists, "columns": columns})
