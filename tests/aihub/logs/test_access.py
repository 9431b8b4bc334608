"""The log of predictions: a line each, as the other lines are."""

import io
import json

from aihub.logs import AccessLog

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
