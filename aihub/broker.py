"""The broker of the embedded default: kombu's folder of messages, made safe to read while written.

Kombu creates a message's file and then fills it; a worker that looks in between reads nothing, and
stops. Here a message gets its name once it is complete.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def _put(  # type: ignore[override]
        self, queue: str, payload: Any, **kwargs: Any
    ) -> None:
        folder, unique = Path(self.data_folder_out), uuid.uuid4()
        partial = folder / f"{unique}.partial"
        try:
            partial.write_text(dumps(payload))
            partial.rename(folder / f"{round(time.monotonic() * 1000)}_{unique}.{queue}.msg")
        except OSError as error:
            raise ChannelError(f"Cannot add a message to {folder}") from error

    def get_table(self, exchange: str) -> list[Any]:
        """Where messages go; nowhere while that file is being written (they are only hints)."""
        try:
            return list(super().get_table(exchange))
        except ValueError:
            return []


class Transport(filesystem.Transport):
    Channel = Channel


def install() -> None:
    """Let `filesystem://` mean this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
