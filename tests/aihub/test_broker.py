"""The folder of messages: nobody reads one that is still being written."""

import threading
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from aihub import broker

COUNT = 500


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    broker.install()
    folders = {
        name: str(tmp_path / name)
        for name in ("data_folder_in", "data_folder_out", "control_folder")
    }
    folders["data_folder_out"] = folders["data_folder_in"]
    Path(folders["data_folder_in"]).mkdir()
    with Connection("filesystem://localhost", transport_options=folders) as connection:
        yield connection


def test_every_message_is_read_whole(connection: Any) -> None:
    sender, receiver = connection.channel(), connection.channel()
    assert isinstance(sender, broker.Channel)
    messages = [{"number": number, "text": "x" * 2000} for number in range(COUNT)]
    writer = threading.Thread(target=lambda: [sender._put("jobs", one) for one in messages])
    writer.start()
    read: list[Any] = []
    while len(read) < COUNT and (writer.is_alive() or not_empty(receiver, read)):
        not_empty(receiver, read)
    writer.join()
    assert sorted(one["number"] for one in read) == list(range(COUNT))


def not_empty(channel: Any, read: list[Any]) -> bool:
    """Read one message more, where there is one."""
    try:
        read.append(channel._get("jobs"))
    except Empty:
        return False
    return True


def test_a_table_that_is_being_written_leads_nowhere(connection: Any) -> None:
    channel = connection.channel()
    channel.control_folder.mkdir()
    (channel.control_folder / "celery.exchange").touch()
    assert channel.get_table("celery") == []
