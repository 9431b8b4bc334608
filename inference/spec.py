"""Everything that serving one version needs, as an immutable value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from inference.signature import Signature
from registry.files import main_of
from registry.preprocessing import Preprocessing

IMAGE_CLASSIFICATION = "image-classification"
TEXT_CLASSIFICATION = "text-classification"
TEXT_EMBEDDING = "text-embedding"


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file of a version: its path there, and its content by sums (hexadecimal) and bytes."""

    path: str
    sha256: str
    md5: str
    size: int


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """One form of a version that can serve: a runtime, its precision, and the files it loads.

    `files` are derived from the version (always ONNX); empty means the version's own files.
    `options` are the runtime's (`channels_last`, `sparsity`). `memory` is what it takes once
    loaded, in bytes, as measured; 0 where that is not known.
    """

    name: str
    runtime: str
    precision: str = "fp32"
    options: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[FileRef, ...] = ()
    memory: int = 0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read `dataclasses.asdict`'s answer."""
        return cls(**{**value, "files": tuple(FileRef(**file) for file in value["files"])})


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One version. `signature` is unknown until the version ran once."""

    model: str
    version: str
    version_id: int
    format: str
    task: str
    architecture: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    num_classes: int | None = None
    labels: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    files: tuple[FileRef, ...] = ()
    signature: Signature | None = None

    @property
    def takes_images(self) -> bool:
        return self.task == IMAGE_CLASSIFICATION

    @property
    def takes_texts(self) -> bool:
        return self.task in (TEXT_CLASSIFICATION, TEXT_EMBEDDING)

    @property
    def classifies(self) -> bool:
        """Whether its answers are classes with scores."""
        return self.task in (IMAGE_CLASSIFICATION, TEXT_CLASSIFICATION)

    def in_form(self, variant: VariantSpec) -> Self:
        """The spec that the variant's runtime loads: its derived files, not the version's."""
        if not variant.files:
            return self
        return replace(self, format="onnx", files=variant.files)

    @property
    def main_file(self) -> str:
        """The path of the weights, the same that the scan judged."""
        return main_of({file.path: file.size for file in self.files}) or ""

    def label(self, index: int) -> str:
        """What class `index` is called; its number where the owner named none."""
        return self.labels[index] if index < len(self.labels) else str(index)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back to an equal value."""
        return {
            "model": self.model,
            "version": self.version,
            "version_id": self.version_id,
            "format": self.format,
            "task": self.task,
            "architecture": self.architecture,
            "options": dict(self.options),
            "num_classes": self.num_classes,
            "labels": list(self.labels),
            "preprocessing": self.preprocessing and self.preprocessing.as_json(),
            "files": [asdict(file) for file in self.files],
            "signature": self.signature and self.signature.as_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read `as_json`'s answer; KeyError or TypeError for anything else."""
        preprocessing, signature = value["preprocessing"], value["signature"]
        return cls(
            **{
                **value,
                "labels": tuple(value["labels"]),
                "preprocessing": preprocessing and Preprocessing.parse(preprocessing),
                "files": tuple(FileRef(**file) for file in value["files"]),
                "signature": signature and Signature.from_json(signature),
            }
        )
