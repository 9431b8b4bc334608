"""TorchScript and torch.export archives: zips of code or a graph, of pickles, and of tensors.

They are programs: what loads them is confined. Here every pickle in them is walked opcode by
opcode, and every tensor held against its stored bytes, before anything loads them at all.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from registry.refusals import N_, Refused
from registry.scanning import archives, tensors
from registry.scanning.archives import Member
from registry.scanning.pickles import MAX_BYTES
from registry.scanning.program_pickles import ProgramMachine
from registry.scanning.report import Finding, Report, TensorInfo
from registry.scanning.safetensors_files import WRONG_SIZE
from registry.scanning.signatures import ZIP, is_pickle
from registry.scanning.tensors import DTYPES, MALFORMED
from registry.scanning.torch_files import GARBAGE, MISSING, STORED_SIZE, TWO_ROOTS

MAX_RATIO = 200
"""How many times smaller deflate may make a member: code repeats itself, unlike weights."""
MAX_CODE = 16 << 20
MAX_NESTING = 2
NESTED = N_("%(member)s is an archive within archives, nested too deeply.")
BAD_JSON = N_("%(member)s is not the JSON that torch.export writes.")
PICKLES = N_("%(count)s pickles hold nothing but tensors, numbers and texts.")
STORED = N_("%(count)s tensors lie within their stored bytes.")
FOREIGN_CALLS = N_("The code calls %(names)s, which reach outside of the model.")

_TRACED = "traced_inputs.pkl"  # what a module was traced with: described, but not stored
_PICKLED = (".pkl", ".debug_pkl", ".pickle")
_REACHES_OUT = re.compile(
    rb"torch\.(?:from_file|save|load|ops\.load_library)\b|\bfrom_file\b|\bread_file\b"
    rb"|\bops\.(?!aten\b|prim\b|prims\b|torchvision\b|quantized\b)\w+\.\w+"
)
_CONFIG = re.compile(r"data/(weights|constants)/\w+_config\.json")
_SCALARS = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
}


def scan(path: Path, layer: str) -> Report:
    """The report of either archive; Refused for what must not even be loaded in a sandbox."""
    walk = _Walk()
    walk.archive(path, nesting=0)
    findings = [
        Finding(layer, "info", STORED, {"count": len(walk.tensors)}),
        Finding("pickle", "info", PICKLES, {"count": walk.pickles}),
    ]
    if walk.calls:
        names = ", ".join(sorted(walk.calls)[:10])
        findings.append(Finding("code", "warning", FOREIGN_CALLS, {"names": names[:300]}))
    return Report(findings, walk.tensors)


class _Walk:
    """What was met on the way through an archive and those in it."""

    def __init__(self) -> None:
        self.tensors: dict[str, TensorInfo] = {}
        self.pickles = 0
        self.calls: set[str] = set()

    def archive(self, path: Path, nesting: int) -> None:
        found = _inside_root(_members(path))
        for name, member in found.items():
            self._member(path, name, found, nesting)
            if _CONFIG.fullmatch(name):
                self._configured(path, member, found)

    def _member(self, path: Path, name: str, found: Mapping[str, Member], nesting: int) -> None:
        member = found[name]
        if name.endswith(_PICKLED):
            self._pickle(_read(path, member, MAX_BYTES), name, found)
        elif name.startswith("code/"):
            self._code(_read(path, member, MAX_CODE))
        elif not _holds_numbers(name) and member.size:
            self._unnamed(path, member, found, nesting)

    def _unnamed(self, path: Path, member: Member, found: Any, nesting: int) -> None:
        """What a member is, whatever it is called: an archive, a pickle, or data."""
        head = _head(path, member)
        if head.startswith(ZIP):
            if nesting + 1 > MAX_NESTING:
                raise Refused(NESTED, member=member.name[:200])
            with _unpacked(path, member) as inner:
                self.archive(inner, nesting + 1)
        elif is_pickle(head):
            self._pickle(_read(path, member, MAX_BYTES), member.name, found)

    def _pickle(self, data: bytes, name: str, found: Mapping[str, Member]) -> None:
        machine, stream = ProgramMachine(), BytesIO(data)
        machine.run(stream)
        if rest := stream.read():
            raise Refused(GARBAGE, count=len(rest))
        self.pickles += 1
        folder = _data_of(name, found)
        for storage in () if name == _TRACED else machine.storages.values():
            _check_stored(storage, found.get(f"{folder}/{storage.key}"))
        for number, tensor in enumerate(machine.tensors):
            tensors.check(tensor, f"{name}#{number}"[:200])
            self.tensors[f"{name}#{number}"] = tensor.info

    def _code(self, text: bytes) -> None:
        calls = (call.group().decode(errors="replace") for call in _REACHES_OUT.finditer(text))
        self.calls.update(call for call in calls if len(self.calls) < 100)

    def _configured(self, path: Path, member: Member, found: Mapping[str, Member]) -> None:
        """The tensors of a torch.export archive: raw bytes each, described in JSON."""
        folder = PurePosixPath(member.name).parent.name
        for name, entry in _config(_read(path, member, MAX_BYTES), member.name):
            stored = found.get(f"data/{folder}/{entry.get('path_name')}")
            if stored is None:
                raise Refused(MISSING, key=name[:200])
            if entry.get("use_pickle"):
                self._unnamed(path, stored, found, 0)
            elif entry.get("tensor_meta"):
                self.tensors[name[:200]] = _described(name[:200], entry["tensor_meta"], stored.size)


def _members(path: Path) -> dict[str, Member]:
    found = archives.members(path, ratio=MAX_RATIO)
    archives.check_growth(path.stat().st_size, sum(member.size for member in found.values()))
    return found


def _inside_root(members: Mapping[str, Member]) -> dict[str, Member]:
    """The members without the one folder they all are in; old torch.export archives have none."""
    roots = {name.partition("/")[0] for name in members}
    if len(roots) == 1 and all("/" in name for name in members):
        return {name.partition("/")[2]: member for name, member in members.items()}
    if any(name.endswith(("/data.pkl", "/constants.pkl")) for name in members):
        raise Refused(TWO_ROOTS)
    return dict(members)


def _holds_numbers(name: str) -> bool:
    """Whether a member is the raw bytes of a tensor, which may begin with anything."""
    weights = re.fullmatch(r"data/(weights|constants)/(weight|tensor)_\d+", name)
    return weights is not None or re.fullmatch(r"(data|constants|\w+)/\d+", name) is not None


def _data_of(name: str, found: Mapping[str, Member]) -> str:
    """Where the tensors of a pickle lie: `data.pkl` has them in `data/`."""
    folder = name.rpartition(".")[0]
    return folder if any(member.startswith(f"{folder}/") for member in found) else "data"


def _read(path: Path, member: Member, limit: int) -> bytes:
    return archives.read(path, member, limit)


def _head(path: Path, member: Member) -> bytes:
    if member.compressed:
        return _read(path, member, MAX_BYTES)[:64]
    with path.open("rb") as file:
        file.seek(member.start)
        return file.read(min(64, member.packed))


class _unpacked:  # noqa: N801 - used as a function
    """A member as a file of its own, while the block lasts."""

    def __init__(self, path: Path, member: Member) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="aihub-scan-")  # noqa: SIM115
        self._file.write(_read(path, member, MAX_BYTES))
        self._file.flush()

    def __enter__(self) -> Path:
        return Path(self._file.name)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _check_stored(storage: tensors.Storage, member: Member | None) -> None:
    if member is None:
        raise Refused(MISSING, key=storage.key[:200])
    if member.size != storage.nbytes and storage.nbytes:
        raise Refused(STORED_SIZE, key=storage.key, claimed=storage.nbytes, stored=member.size)


def _config(data: bytes, member: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        entries = json.loads(data)["config"]
        for name, entry in entries.items():
            yield name, dict(entry)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Refused(BAD_JSON, member=member[:200]) from error


def _described(name: str, meta: Any, stored: int) -> TensorInfo:
    """What the description of a tensor amounts to, held against its bytes."""
    try:
        shape = tuple(size["as_int"] for size in meta["sizes"])
        strides = tuple(step["as_int"] for step in meta["strides"])
        dtype = DTYPES[_SCALARS[meta["dtype"]]]
        offset = meta["storage_offset"]["as_int"]
    except (KeyError, TypeError) as error:
        raise Refused(MALFORMED, tensor=name) from error
    length = stored // dtype.itemsize
    tensor = tensors.StoredTensor(
        tensors.Storage(name, dtype, length), offset, shape, strides, dtype
    )
    tensors.check(tensor, name)
    if prod(shape) * dtype.itemsize > stored:
        raise Refused(WRONG_SIZE, tensor=name, claimed=prod(shape) * dtype.itemsize, stored=stored)
    return TensorInfo(dtype.name, shape)
