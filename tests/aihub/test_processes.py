"""What the operating system is asked about processes."""

import os
import subprocess
import sys
from pathlib import Path

YIELDING = """
import os
from pathlib import Path
from aihub.processes import yield_to_others

yield_to_others(7)
autogroup = Path("/proc/self/autogroup")
print(os.nice(0), autogroup.read_text() if autogroup.exists() else "nice 7")
"""
ROOT = Path(__file__).parents[2]
AUTOGROUP = Path("/proc/self/autogroup")


def yielded(**options: int) -> tuple[int, str]:
    """The niceness of a process that has yielded, and what its session's group says of its own.

    A session that is in no such group, as the first of a container, says nothing.
    """
    done = subprocess.run(
        [sys.executable, "-c", YIELDING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        **options,  # type: ignore[call-overload]
    )
    niceness, _, group = done.stdout.partition(" ")
    return int(niceness), group.strip()


def own_group() -> str | None:
    """The same of the tests' own session; None where there are no such groups."""
    return AUTOGROUP.read_text().strip() if AUTOGROUP.exists() else None


class TestYielding:
    def test_yields_with_its_whole_session_where_sessions_share_the_processors(self) -> None:
        before = own_group()
        niceness, group = yielded()
        assert niceness == os.nice(0) + 7
        assert not group or group.endswith("nice 7")
        assert own_group() == before

    def test_leaves_others_alone_where_it_leads_their_group(self) -> None:
        niceness, group = yielded(process_group=0)
        assert niceness == os.nice(0) + 7
        assert own_group() in (group, None)
