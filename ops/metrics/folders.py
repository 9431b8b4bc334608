"""What the processes of a role count in files, one a process, in a folder of the role."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from aihub.processes import is_alive


class FolderCollector:
    """All numbers of the folders that there are at the moment, together."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    def describe(self) -> list[Metric]:
        """prometheus_client's protocol: nothing is looked at when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's protocol."""
        for folder in self._folders:
            forget_the_dead(folder)
        files = (path for folder in self._folders for path in folder.glob("*.db"))
        yield from _merged([path for path in files if _is_begun(path)])


def forget_the_dead(folder: Path) -> None:
    """Drop what is only true of living processes; what the dead have counted stays."""
    for pid in {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}:
        if not is_alive(int(pid)):
            with suppress(FileNotFoundError):  # another scrape was quicker
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _is_begun(path: Path) -> bool:
    """Whether there is something in it: a process makes its file, and then fills it."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _merged(files: list[Path]) -> Iterable[Metric]:
    try:
        merge = MultiProcessCollector.merge
        found: Iterable[Metric] = merge([os.fspath(path) for path in files])  # type: ignore[no-untyped-call]
    except FileNotFoundError:  # a role is being started again: its folder was emptied meanwhile
        found = _merged([path for path in files if _is_begun(path)])
    return found
