"""From predictions to parts, one a chunk, and from parts to one output. No Django here."""

from inference.batch.outputs.changes import failed_rows, preview, replace_rows, sample_errors
from inference.batch.outputs.joining import assemble
from inference.batch.outputs.parts import PartWriter
from inference.batch.outputs.shape import FORMATS, DamagedPart, Joined, Part, Shape
from inference.batch.outputs.sums import Checked

__all__ = [
    "FORMATS",
    "Checked",
    "DamagedPart",
    "Joined",
    "Part",
    "PartWriter",
    "Shape",
    "assemble",
    "failed_rows",
    "preview",
    "replace_rows",
    "sample_errors",
]
