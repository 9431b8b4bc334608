"""The last release's code on this schema: its own tests of a running hub, which it goes on passing.

That is what an upgrade without downtime relies on: old processes run on while new ones come.
"""

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from aihub.env import BASE_DIR
from tests import last_release

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
HUB = [
    f"tests/contract/test_{name}.py"
    for name in ("publishing", "predict", "identity", "promotion", "batch", "webhooks")
]


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release's files."""
    folder = tmp_path_factory.mktemp("last-release")
    with tarfile.open(fileobj=BytesIO(_archived(last_release.read()["commit"]))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _archived(commit: str) -> bytes:
    done = subprocess.run(
        ("git", "archive", commit), cwd=BASE_DIR, capture_output=True, check=False
    )
    if done.returncode:
        pytest.fail(
            f"The last release ({commit}, of tests/last_release.json) is not in this clone: fetch "
            f"the whole history, as by “git fetch --unshallow”. {done.stderr.decode()}"
        )
    return done.stdout


@pytest.mark.parametrize("kind", ["embedded", "services"])
def test_it_passes_its_own_tests(old_code: Path, kind: str) -> None:
    done = subprocess.run(
        (
            *(sys.executable, "-m", "pytest", "-q", "-p", "new_schema", f"--stack={kind}"),
            *("-p", "no:cacheprovider", "--timeout=600", *HUB),
        ),
        cwd=old_code,
        env=os.environ
        | {"NEW_CODE": str(BASE_DIR), "PYTHONPATH": f"{old_code}:{BASE_DIR / 'tests' / 'soak'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-5000:]
    assert " passed" in done.stdout
