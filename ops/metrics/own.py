"""What every process says of itself, beside what it counts."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric

from aihub import __version__
from ops.launch.counting import beat_file


class OwnCollector:
    """Which program this is, the disk that it writes to, and beat beside it."""

    def __init__(self, role: str, home: Path) -> None:
        self._role = role
        self._home = home

    def describe(self) -> list[Metric]:
        """prometheus_client's protocol: nothing is looked at when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's protocol."""
        info = GaugeMetricFamily("aihub_build_info", "This program", labels=("version", "role"))
        info.add_metric((__version__, self._role), 1)
        yield info
        disk = shutil.disk_usage(self._home)
        yield GaugeMetricFamily("aihub_disk_free_bytes", "Free where AIHUB_HOME lies", disk.free)
        yield GaugeMetricFamily("aihub_disk_size_bytes", "Size of that disk", disk.total)
        with suppress(FileNotFoundError):
            yield GaugeMetricFamily(
                "aihub_beat_tick_timestamp_seconds",
                "When beat last looked at its schedules",
                beat_file(self._home).stat().st_mtime,
            )
