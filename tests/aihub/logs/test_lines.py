"""A record as a line: ECS, whole, one line, whatever is in it."""

import json
import logging
import sys
from typing import Any

from aihub import request_context
from aihub.logs.fields import ContextFilter, add_source
from aihub.logs.lines import STACK, Formatter


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    ContextFilter().filter(record)
    text = Formatter("worker").format(record)
    assert "\n" not in text
    document: dict[str, Any] = json.loads(text)
    return document


def record(message: str = "said %s", *args: Any, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("some.logger", logging.WARNING, "/a/file.py", 7, message, args, None)
    made.__dict__.update(more)
    return made


def raised(error: Exception) -> Any:
    try:
        raise error
    except Exception:
        return sys.exc_info()


def test_a_line_says_when_who_and_what_in_nested_ecs() -> None:
    line = line_of(record("said %s", "this"))
    assert line["@timestamp"].endswith("Z")
    assert line["log"]["level"] == "warning"
    assert line["log"]["origin"]["file"] == {"name": "file.py", "line": 7}
    assert (line["message"], line["ecs"]) == ("said this", {"version": "8.11.0"})
    assert (line["service"]["name"], line["service"]["node"]["role"]) == ("aihub", "worker")


def test_what_the_work_is_about_stands_in_each_of_its_lines() -> None:
    with (
        request_context.use("request-1"),
        request_context.about(batch_job=5, model_name="dogs"),
        request_context.about(batch_chunk=3),
    ):
        line = line_of(record("x", ecs={"event.action": "look"}))
    assert line["http"]["request"] == {"id": "request-1"}
    assert line["aihub"] == {"batch": {"job": 5, "chunk": 3}, "model": {"name": "dogs"}}
    assert line["event"]["action"] == "look"


def test_work_without_a_request_has_no_id() -> None:
    with request_context.use(""):
        assert "http" not in line_of(record("x"))


def test_work_within_other_work_is_about_itself_alone() -> None:
    with request_context.use("request-1"), request_context.about(job_id=1):
        with request_context.use("request-2"), request_context.about(batch_job=2):
            inner = line_of(record("x"))
        outer = line_of(record("x"))
    assert (inner["http"]["request"]["id"], inner["aihub"]) == ("request-2", {"batch": {"job": 2}})
    assert (outer["http"]["request"]["id"], outer["aihub"]) == ("request-1", {"job": {"id": 1}})


def test_a_source_is_asked_for_fields_of_the_moment() -> None:
    known: dict[str, str] = {}
    add_source(lambda: known)
    known["trace.id"] = "4bf9"
    assert line_of(record("x"))["trace"] == {"id": "4bf9"}
    known.clear()
    assert "trace" not in line_of(record("x"))


def test_an_exception_is_in_the_line_with_its_cause() -> None:
    line = line_of(record("failed", exc_info=raised(ValueError("no\nnumber"))))
    assert (line["error"]["type"], line["error"]["message"]) == ("ValueError", "no\nnumber")
    assert line["error"]["stack_trace"].startswith("Traceback")


def test_a_line_stays_short_enough_to_be_written_at_once() -> None:
    line = line_of(record("x" * 10_000, exc_info=raised(ValueError("y" * 50_000))))
    assert len(line["error"]["stack_trace"]) == STACK
    assert len(json.dumps(line)) < 8000


def test_extras_of_libraries_stay_out() -> None:
    line = line_of(record("x", request=object(), status_code=404, data={"body": "secret"}))
    assert not {"request", "status_code", "data"} & line.keys()


def test_texts_and_numbers_that_json_does_not_know_make_a_line() -> None:
    line = line_of(record("half a \ud800", ecs={"aihub.items": 2**80}))
    assert line["aihub"]["items"] == 2**80
