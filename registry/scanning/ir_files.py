"""The OpenVINO layer: an XML description, its weights in a `.bin` beside it.

The XML may define no entities, and every constant must lie within the weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from xml.parsers import expat

from registry.refusals import N_, Refused
from registry.scanning import companions
from registry.scanning.report import Finding, Report, TensorInfo
from registry.scanning.safetensors_files import BAD_DTYPE, WRONG_SIZE
from registry.scanning.signatures import OPENVINO
from registry.scanning.tensors import MALFORMED, MAX_DIMENSIONS

MAX_XML = 256 << 20  # bytes
MAX_DEPTH = 200
TOO_LARGE = N_("The description of the model is larger than %(limit)s bytes.")
BROKEN = N_("The description of the model is not valid XML: %(error)s.")
NO_ENTITIES = N_("The description of the model declares a document type, which is refused.")
TOO_DEEP = N_("The description of the model is nested too deeply.")
OUTSIDE = N_("The tensor %(tensor)s does not lie within the weights (.bin).")
NO_WEIGHTS = N_("The weights are missing: send the .bin file together with the .xml.")

_BITS = {
    name: bits
    for bits, names in {
        1: "u1",
        2: "u2",
        3: "u3",
        4: "u4 i4 nf4 f4e2m1",
        6: "u6",
        8: "boolean u8 i8 f8e4m3 f8e5m2 f8e8m0",
        16: "u16 i16 f16 bf16",
        32: "u32 i32 f32",
        64: "u64 i64 f64",
    }.items()
    for name in names.split()
}


def is_description(head: bytes) -> bool:
    """Whether a file begins as OpenVINO's description of a network."""
    return OPENVINO.match(head.decode(errors="replace")) is not None


def scan(path: Path, siblings: Mapping[str, Path]) -> Report:
    """The report of a description with its weights; Refused where they do not agree."""
    if path.stat().st_size > MAX_XML:
        raise Refused(TOO_LARGE, limit=MAX_XML)
    weights = [name for name in siblings if name.endswith(".bin")]
    if len(weights) != 1:
        raise Refused(NO_WEIGHTS)
    companions.check(siblings, frozenset(weights))
    reading = _Reading(siblings[weights[0]].stat().st_size)
    _parse(path, reading)
    message = N_("%(count)s tensors lie within their stored bytes.")
    count = {"count": len(reading.tensors)}
    return Report([Finding("openvino", "info", message, count)], reading.tensors)


def _parse(path: Path, reading: "_Reading") -> None:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_entities
    parser.EntityDeclHandler = _refuse_entities
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise Refused(BROKEN, error=str(error)[:200]) from error


def _refuse_entities(*_: object) -> None:
    raise Refused(NO_ENTITIES)


@dataclass
class _Reading:
    """What the parser met so far; `stored` are the bytes of the weights."""

    stored: int
    tensors: dict[str, TensorInfo] = field(default_factory=dict)
    layers: list[dict[str, str]] = field(default_factory=list)
    depth: int = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Refused(TOO_DEEP)
        if self.depth == 1 and tag != "net":
            raise Refused(BROKEN, error=f"<{tag[:50]}>")
        if tag == "layer":
            self.layers.append(attributes)
        elif tag == "data" and "offset" in attributes:
            self._constant(attributes)

    def end(self, tag: str) -> None:
        self.depth -= 1
        if tag == "layer":
            self.layers.pop()

    def _constant(self, data: dict[str, str]) -> None:
        name = self.layers[-1].get("name", "")[:200] if self.layers else ""
        offset, size = (_number(data.get(key, ""), name) for key in ("offset", "size"))
        if offset + size > self.stored:
            raise Refused(OUTSIDE, tensor=name)
        dtype = data.get("element_type", "")
        lengths = [length for length in data.get("shape", "").split(",") if length.strip()]
        if len(lengths) > MAX_DIMENSIONS:
            raise Refused(MALFORMED, tensor=name)
        shape = tuple(_number(length, name) for length in lengths)
        if dtype != "string":
            _check_size(name, dtype, shape, size)
        self.tensors[f"{len(self.tensors)} {name}"] = TensorInfo(dtype, shape)


def _check_size(name: str, dtype: str, shape: tuple[int, ...], size: int) -> None:
    if dtype not in _BITS:
        raise Refused(BAD_DTYPE, tensor=name, dtype=dtype[:50])
    claimed = -(-prod(shape) * _BITS[dtype] // 8)
    if claimed != size:
        raise Refused(WRONG_SIZE, tensor=name, claimed=claimed, stored=size)


def _number(text: str, name: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Refused(MALFORMED, tensor=name)
    return int(text)
