"""What is fixed before the first row of a job runs, so that all that follows can be repeated."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from inference.batch.inputs import Described
from inference.batch.outputs import Shape
from inference.batch.rows import PICTURES, TENSORS, TEXTS, Wanted
from inference.engine.loads import Source
from inference.spec import VariantSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """`batch` rows run together, about `chunk_rows` are a chunk; `described` names no files."""

    variant: VariantSpec | None
    described: Described
    shape: Shape
    batch: int
    chunk_rows: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {
            "variant": self.variant and asdict(self.variant),
            "described": replace(self.described, files=()).as_json(),
            "shape": self.shape.as_json(),
            "batch": self.batch,
            "chunk_rows": self.chunk_rows,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            variant=value["variant"] and VariantSpec.from_json(value["variant"]),
            described=Described.from_json(value["described"]),
            shape=Shape.from_json(value["shape"]),
            batch=value["batch"],
            chunk_rows=value["chunk_rows"],
        )


def wanted_of(source: Source) -> Wanted:
    """What the rows of an input must be for a loaded model."""
    if source.spec.takes_images:
        return Wanted(PICTURES)
    if source.spec.takes_texts:
        return Wanted(TEXTS)
    return Wanted(TENSORS, source.model.signature.inputs)


def shape_of(source: Source, *, output_format: str, top: int, numbered: bool) -> Shape:
    """The form of a job's output."""
    spec, signature = source.spec, source.model.signature
    return Shape(
        format=output_format,
        version=spec.version,
        classes=spec.classifies,
        top=min(top, spec.num_classes or top),
        labels=spec.labels if spec.classifies else (),
        probabilities=signature.probabilities,
        outputs=signature.outputs,
        scores=signature.scores.name if spec.classifies and signature.scores else "",
        numbered=numbered,
    )
