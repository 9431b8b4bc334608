"""A gigabyte of input takes the memory of its windows, in the plan and in a chunk."""

import subprocess
import sys
from pathlib import Path

import pytest

MOST = 300 << 20  # bytes by which a process may grow

CSV = """
line = ",".join(["0.125"] * 64).encode() + b"\\n"
with (folder / key).open("wb") as file:
    file.write(",".join(f"c{i}" for i in range(64)).encode() + b"\\n")
    for _ in range(64):
        file.write(line * (SIZE // 64 // len(line)))
"""
PARQUET = """
import pyarrow.parquet as pq
values = pa.array(np.ones(SIZE // 4, np.float32))
table = pa.table({"v": pa.FixedSizeListArray.from_arrays(values, 64)})
pq.write_table(
    table, folder / key, row_group_size=1 << 30, use_dictionary=False, compression="none"
)
del values, table
"""
TAR = """
import io, os, tarfile
data = os.urandom(4 << 20)
with tarfile.open(folder / key, "w") as archive:
    for number in range(SIZE >> 22):
        member = tarfile.TarInfo(f"{number}.jpg")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
"""
WRITE = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa
SIZE, folder, key = 1 << 30, Path(sys.argv[1]), sys.argv[2]
"""
READ = """
import resource, sys
from pathlib import Path
from inference.batch.inputs import Described, describe, places, rows_of
from tests.inference.batch.inputs_reading import PICTURE, FolderFiles, tensors

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

folder, key = Path(sys.argv[1]), sys.argv[2]
store = FolderFiles(folder)
wanted = PICTURE if key == "t.tar" else tensors(("x", "FP32", (-1, 64)))
before = peak()
described = describe(store, Described((key,)), wanted)
found = list(places(store, described, wanted, 250_000 if key != "t.tar" else 64, "spill"))
rows = sum(len(group.keys) for group in rows_of(store, found[-1], described, wanted, 64))
assert rows == found[-1].rows
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.tar"])
def test_a_gigabyte_is_read_by_windows(tmp_path: Path, name: str) -> None:
    make = {"t.csv": CSV, "t.parquet": PARQUET, "t.tar": TAR}[name]
    _run(WRITE + make, tmp_path, name)
    try:
        assert int(_run(READ, tmp_path, name)) < MOST
    finally:
        (tmp_path / name).unlink()


def _run(program: str, folder: Path, name: str) -> str:
    command = [sys.executable, "-c", program, str(folder), name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
