"""What the operating system is asked about processes."""

import ctypes
import errno
import os
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_AUTOGROUP = Path("/proc/self/autogroup")
_AUTOGROUP_TRIES, _AUTOGROUP_PAUSE = 50, 0.12  # seconds; it takes ten settings a second


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent dies (Linux; else nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def yield_to_others(niceness: int) -> None:
    """Let whatever else wants the processors go first, from niceness 0 (not at all) to 19.

    Linux may share them out between sessions before it compares processes (`sched(7)`, autogroups),
    so this process leads a session of its own, which is as nice. Blocks for a few tenths of a
    second where several processes do this at once.
    """
    os.nice(niceness)
    if not _AUTOGROUP.exists() or os.getpgrp() == os.getpid():
        return  # who leads a group cannot leave its session, and others there are not to yield
    os.setsid()
    for _ in range(_AUTOGROUP_TRIES):
        try:
            _AUTOGROUP.write_text(str(niceness))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return  # not allowed here; the niceness of the process stands
            time.sleep(_AUTOGROUP_PAUSE)
        else:
            return
