"""Joining takes the same memory, however much is joined."""

import subprocess
import sys
from pathlib import Path

import pytest

JOIN = """
import resource, sys
import numpy as np
from pathlib import Path
from inference.batch.outputs import PartWriter, Shape, assemble
from inference.batch.rows import Rows
from inference.signature import TensorSpec

form, folder = sys.argv[1], Path(sys.argv[2])
of = Shape(form, "1", False, 1, (), False, (TensorSpec("y", "FP32", (-1, 100)),), "", True)
with PartWriter(folder / "part", of) as writer:
    values = np.random.default_rng(0).random((10_000, 100), np.float32)
    writer.write(Rows(np.arange(10_000)), {"y": values}, {})
    part = writer.close()

def parts(size):
    for _ in range(size // part.size):
        with (folder / "part").open("rb") as file:
            yield part, file

with (folder / "out").open("wb") as out:
    assemble(of, parts(2 * part.size), out)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with (folder / "out").open("wb") as out:
    joined = assemble(of, parts(200 << 20), out)
assert joined.size > 190 << 20
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_joining_200_megabytes_takes_no_more_than_8(tmp_path: Path, form: str) -> None:
    command = [sys.executable, "-c", JOIN, form, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(found.stdout) <= 8
