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


class TestYielding:
    def test_yields_with_its_whole_session_where_sessions_share_the_processors(self) -> None:
        before = AUTOGROUP.read_text() if AUTOGROUP.exists() else None

        alone = subprocess.run(
            [sys.executable, "-c", YIELDING], cwd=ROOT, capture_output=True, text=True, check=True
        )

        niceness, group = alone.stdout.split(maxsplit=1)
        assert int(niceness) == os.nice(0) + 7
        assert group.strip().endswith("nice 7")
        assert before == (AUTOGROUP.read_text() if AUTOGROUP.exists() else None)

    def test_leaves_others_alone_where_it_leads_their_group(self) -> None:
        leader = subprocess.run(
            [sys.executable, "-c", YIELDING],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            process_group=0,
        )

        niceness, group = leader.stdout.split(maxsplit=1)
        assert int(niceness) == os.nice(0) + 7
        if AUTOGROUP.exists():
            assert group.strip() == AUTOGROUP.read_text().strip()
