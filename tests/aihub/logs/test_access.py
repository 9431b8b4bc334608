"""The log of predictions: a line each, as the other lines are."""

import io
import json
import threading

import pytest

from aihub.logs import AccessLog
from aihub.logs.access import _WAITING

CALL = {
    "action": "predict",
    "duration": 5,
    "status": 200,
    "model": "m",
    "version": "",
    "trace.id": "4bf9",
    "span.id": "00f0",
}


def test_each_call_is_one_line_in_ecs() -> None:
    stream = io.StringIO()
    log = AccessLog("infer", stream)
    for number in range(2500):
        log("POST /v2/models/m/infer 200", f"request-{number}", CALL)
    log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["http"]["request"]["id"] for line in lines] == [
        f"request-{number}" for number in range(2500)
    ]
    first = lines[0]
    event = {"dataset": "aihub.predictions", "action": "predict", "outcome": None, "duration": 5}
    assert first["event"] == event
    assert first["http"]["response"]["status_code"] == 200
    assert first["aihub"]["model"] == {"name": "m", "version": None}
    assert (first["trace"], first["span"]) == ({"id": "4bf9"}, {"id": "00f0"})
    assert first["service"]["node"]["role"] == "infer"
    assert first["@timestamp"].endswith("Z")
    assert (first["log"]["level"], first["ecs"]["version"]) == ("info", "8.11.0")


class Full(io.StringIO):
    """A file on a disk that is full until there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.room, self.refused = False, threading.Event()

    def write(self, text: str) -> int:
        if self.room:
            return super().write(text)
        self.refused.set()
        raise OSError(28, "No space left on device")


def test_lines_that_cannot_be_written_are_dropped_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = Full()
    log = AccessLog("infer", stream)
    log("POST /v2/models/m/infer 200", "lost", CALL)
    assert stream.refused.wait(10)
    stream.room = True
    log("POST /v2/models/m/infer 200", "written", CALL)
    log.close()
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["http"]["request"]["id"] == "written"
    assert caplog.messages == ["1 lines of predictions may be missing: writing failed."]


class Stuck(io.StringIO):
    """A pipe whose reader stands still until it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.goes_on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.goes_on.wait(30)
        return super().write(text)


def test_while_nobody_reads_the_newest_lines_wait(caplog: pytest.LogCaptureFixture) -> None:
    stream = Stuck()
    log = AccessLog("infer", stream)
    log("first", "first", CALL)
    assert stream.asked.wait(10)
    for number in range(_WAITING + 5):
        log("later", str(number), CALL)
    stream.goes_on.set()
    log.close()
    first, *later = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["message"] == "first"
    assert [line["http"]["request"]["id"] for line in later[:: _WAITING - 1]] == [
        "5",
        str(_WAITING + 4),
    ]
    assert caplog.messages == ["Lines of predictions waited too long; the oldest may be missing."]
