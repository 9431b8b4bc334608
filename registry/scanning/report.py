"""What a scan tells."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

Severity = Literal["info", "warning", "error"]


class TensorInfo(NamedTuple):
    """A tensor as stored: its dtype by torch's name (`float32`) and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Finding:
    """A translatable remark of one layer; an `error` is what refused a version."""

    layer: str
    severity: Severity
    message: str
    values: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """What passed: remarks, and the tensors of the model by name."""

    findings: list[Finding]
    tensors: dict[str, TensorInfo]
