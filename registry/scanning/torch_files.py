"""A state_dict in either container of torch.save: the zip archive, or the older run of pickles."""

import re
import struct
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from registry.refusals import N_, Refused
from registry.scanning import archives, checkpoints, tensors
from registry.scanning.pickles import MAX_BYTES, Machine
from registry.scanning.report import Finding, Report
from registry.scanning.signatures import ENDS_EARLY, LEGACY
from registry.scanning.standins import DAMAGED
from registry.scanning.tensors import Storage, StoredTensor

PROTOCOL = 1001
FOREIGN = N_("The archive holds %(member)s, which torch.save does not write for a state_dict.")
TWO_ROOTS = N_("The archive holds more than one checkpoint. Save the state_dict alone.")
BIG_ENDIAN = N_("The file was saved on a big-endian machine. Save it again on a little-endian one.")
STORED_SIZE = N_("The storage %(key)s should take %(claimed)s bytes, but %(stored)s are stored.")
MISSING = N_("The data of the storage %(key)s is missing from the file.")
GARBAGE = N_("%(count)s bytes follow the end of the weights. Save the file again.")

_OWN = re.compile(
    r"data\.pkl|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id|data/[^/]+"
)
_LENGTH = struct.Struct("<q")


def scan(path: Path) -> Report:
    """The report of a state_dict; Refused for whatever is not purely weights."""
    with path.open("rb") as file:
        legacy = file.read(len(LEGACY)) == LEGACY
    return _scan_legacy(path) if legacy else _scan_zip(path)


def _scan_zip(path: Path) -> Report:
    found = _inside_root(archives.members(path))
    if "data.pkl" not in found:
        raise Refused(archives.BROKEN)
    _check_byte_order(path, found)
    machine = Machine()
    pickled = BytesIO(archives.read(path, found["data.pkl"], MAX_BYTES))
    root = machine.run(pickled)
    if rest := pickled.read():
        raise Refused(GARBAGE, count=len(rest))
    for storage in machine.storages.values():
        _check_stored(storage, found)
    report = _report(root, machine)
    unused = {name for name in found if name.startswith("data/")}
    unused -= {f"data/{key}" for key in machine.storages}
    if unused:
        report.findings.append(
            Finding(
                "archive",
                "warning",
                N_("%(count)s stored blocks are unused."),
                {"count": len(unused)},
            )
        )
    return report


def _inside_root(members: Mapping[str, archives.Member]) -> dict[str, archives.Member]:
    """The members without the one folder they all are in; only those that torch.save writes."""
    split = {name: name.partition("/") for name in members}
    if len({root for root, _, _ in split.values()}) != 1:
        raise Refused(TWO_ROOTS)
    for name, (_, _, inner) in split.items():
        if not _OWN.fullmatch(inner):
            raise Refused(FOREIGN, member=name[:200])
    return {split[name][2]: member for name, member in members.items()}


def _check_byte_order(path: Path, found: Mapping[str, archives.Member]) -> None:
    member = found.get("byteorder")
    if member and archives.read(path, member, 16) != b"little":
        raise Refused(BIG_ENDIAN)


def _check_stored(storage: Storage, found: Mapping[str, archives.Member]) -> None:
    member = found.get(f"data/{storage.key}")
    if member is None:
        raise Refused(MISSING, key=storage.key[:200])
    if member.size != storage.nbytes:
        raise Refused(STORED_SIZE, key=storage.key, claimed=storage.nbytes, stored=member.size)


def _scan_legacy(path: Path) -> Report:
    """Five pickles (magic, protocol, system, object, keys), then each storage's length and data."""
    with path.open("rb") as file:
        pickles = BytesIO(file.read(MAX_BYTES))
        pickles.seek(len(LEGACY))
        if Machine().run(pickles) != PROTOCOL:
            raise Refused(DAMAGED)
        _check_system(Machine().run(pickles))
        machine = Machine(id_rest=[None])
        root = machine.run(pickles)
        keys = Machine().run(pickles)
        file.seek(pickles.tell())
        _check_data(file, _ordered(keys, machine.storages), path.stat().st_size)
    return _report(root, machine)


def _check_system(system: object) -> None:
    if not isinstance(system, dict):
        raise Refused(DAMAGED)
    if system.get("little_endian") is not True:
        raise Refused(BIG_ENDIAN)


def _ordered(keys: object, storages: Mapping[str, Storage]) -> list[Storage]:
    """Each storage once, in file order: torch leaves those not listed as uninitialised memory."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Refused(DAMAGED)
    for key in storages.keys() - set(keys):
        raise Refused(MISSING, key=key[:200])
    if len(keys) != len(storages):
        raise Refused(DAMAGED)
    return [storages[key] for key in keys]


def _check_data(file: BinaryIO, storages: list[Storage], size: int) -> None:
    for storage in storages:
        length = file.read(_LENGTH.size)
        if len(length) < _LENGTH.size or file.tell() + storage.nbytes > size:
            raise Refused(ENDS_EARLY)
        if _LENGTH.unpack(length) != (storage.length,):
            stored = max(_LENGTH.unpack(length)[0], 0) * storage.dtype.itemsize
            raise Refused(STORED_SIZE, key=storage.key, claimed=storage.nbytes, stored=stored)
        file.seek(storage.nbytes, 1)
    if file.tell() != size:
        raise Refused(GARBAGE, count=size - file.tell())


def _report(root: object, machine: Machine) -> Report:
    """All tensors are checked, also those beside the weights: torch.load builds them all."""
    weights: dict[str, StoredTensor] = checkpoints.unwrap(root)
    names = {id(tensor): name for name, tensor in weights.items()}
    for number, tensor in enumerate(machine.tensors):
        tensors.check(tensor, names.get(id(tensor), f"#{number}")[:200])
    findings = [
        Finding("pickle", "info", N_("The pickle holds nothing but weights; it ran no code.")),
        Finding(
            "tensor",
            "info",
            N_("%(count)s tensors lie within their stored bytes."),
            {"count": len(machine.tensors)},
        ),
    ]
    return Report(findings, {name: tensor.info for name, tensor in weights.items()})
