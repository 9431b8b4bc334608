"""Everything that the prediction door refuses, and how it says so."""

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from inference.protocol.app import InferApp
from tests.inference.door import LIMITS, Door
from tests.inference.samples import photo

ROW = {"inputs": [[0, 0, 0, 0]]}
ONE = [("image", ("a.png", photo("chelsea.png"), "image/png"))]


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The body of a well-formed problem answer of that status."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"]
    assert {"type", "title", "detail"} <= set(body)
    return body


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_post_is_allowed(door: Door, method: str) -> None:
    response = door.request(method, "/api/v1/models/rows/predict/", headers={"Authorization": ""})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/models/rows/", "/api/v1/models//predict/", "/api/v1/models/a/b/predict/"]
)
def test_other_paths_are_not_there(door: Door, path: str) -> None:
    assert not InferApp.handles(path)
    problem(door.request("POST", path), 404)


def test_it_says_which_paths_are_its_own() -> None:
    assert InferApp.handles("/api/v1/models/a b/predict")


def test_a_caller_must_sign_in(door: Door) -> None:
    response = door.predict("rows", json=ROW, headers={"Authorization": "nobody"})
    problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_model_that_one_may_not_see_is_as_one_that_is_not_there(door: Door) -> None:
    hidden = door.predict("rows", json=ROW, headers={"Authorization": "outsider"})
    missing = door.predict("none", json=ROW)
    hidden_body, missing_body = problem(hidden, 404), problem(missing, 404)
    assert hidden_body["detail"].replace("rows", "none") == missing_body["detail"]


def test_who_sees_a_model_may_not_always_call_it(door: Door) -> None:
    problem(door.predict("rows", json=ROW, headers={"Authorization": "publisher"}), 403)


@pytest.mark.parametrize(
    "query",
    [
        "verson=1.0.0",
        "top=0",
        "top=-1",
        "top=x",
        "top=1.5",
        "top=",
        "top=99999999999999999999",
        "top=4",
        "top=%D9%A1",
        "top=1&top=2",
        "version=1.0.0&alias=staging",
        "version=%ff",
    ],
)
def test_a_query_must_fit(door: Door, query: str) -> None:
    files = [("image", ("a.png", photo("chelsea.png")))]
    problem(door.request("POST", f"/api/v1/models/small/predict/?{query}", files=files), 400)


def test_top_is_for_classifiers(door: Door) -> None:
    problem(door.predict("rows", params={"top": 1}, json=ROW), 400)


@pytest.mark.parametrize("query", ["version=9.9.9", "version=newest", "alias=none", "version="])
def test_a_version_must_be_there(door: Door, query: str) -> None:
    problem(door.request("POST", f"/api/v1/models/rows/predict/?{query}", json=ROW), 404)


@pytest.mark.parametrize("query", ["", "?version=1.0.0", "?alias=staging"])
def test_a_version_must_be_ready(door: Door, query: str) -> None:
    path = f"/api/v1/models/waiting/predict/{query}"
    problem(door.request("POST", path, files=ONE), 409)


def test_a_version_that_does_not_fit_its_architecture_cannot_be_served(door: Door) -> None:
    assert "resnet18" in problem(door.predict("misfit", files=ONE), 409)["detail"]


def test_a_model_that_cannot_be_loaded_now_may_be_later(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    response = door.predict("lost", files=ONE)
    body = problem(response, 503)
    assert int(response.headers["retry-after"]) > 0
    assert "gone.pth" not in body["detail"]
    assert "gone.pth" in caplog.text


def test_a_body_that_says_it_is_too_large_is_not_read(door: Door) -> None:
    def never() -> Any:
        raise AssertionError("the body was read")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/models/rows/predict/",
        "headers": [
            (b"authorization", b"viewer"),
            (b"content-type", b"application/json"),
            (b"content-length", str(LIMITS.body + 1).encode()),
        ],
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    door.run(door.app(scope, never, send))
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
def test_a_body_that_turns_out_too_large_is_read_no_further(door: Door, kind: str) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        yield b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
        while True:
            read += 65536
            yield b"\0" * 65536

    response = door.predict("lite", content=endless(), headers={"Content-Type": kind})
    problem(response, 413)
    assert read <= LIMITS.body + 2 * 65536


@pytest.mark.parametrize(
    "kind", ["text/plain", "image/png", "", "application/x-www-form-urlencoded"]
)
def test_other_content_types_are_not_taken(door: Door, kind: str) -> None:
    problem(door.predict("lite", content=b"x", headers={"Content-Type": kind}), 415)


def test_a_compressed_body_is_not_taken(door: Door) -> None:
    problem(door.predict("rows", json=ROW, headers={"Content-Encoding": "gzip"}), 415)


def test_a_tensor_model_takes_no_images(door: Door) -> None:
    assert "x FP32 [-1, 4]" in problem(door.predict("rows", files=ONE), 415)["detail"]


PART = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=" + "b" * 300, b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"hello"),
        ("multipart/form-data; boundary=b", b"--b--\r\n"),
        ("multipart/form-data; boundary=b", PART),
        ("multipart/form-data; boundary=b", PART + b"abc\r\n--b"),
        ("multipart/form-data; boundary=b", PART + b"abc\r\n--other--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nabc\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A: b\r\n" * 100),
        ("multipart/form-data; boundary=b", b"--b\r\nA: " + b"b" * 100_000),
        ("multipart/form-data; boundary=b", PART.replace(b"image", b"file") + b"a\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", PART.replace(b"image", b"\xff") + b"a\r\n--b--\r\n"),
    ],
)
def test_a_multipart_body_must_be_whole(door: Door, kind: str, body: bytes) -> None:
    problem(door.predict("lite", content=body, headers={"Content-Type": kind}), 400)


def test_it_names_a_field_that_it_does_not_know(door: Door) -> None:
    found = problem(door.predict("lite", files=[("file", ("a.png", b"x"))]), 400)
    assert "“file”" in found["detail"]
    assert "“image”" in found["detail"]


def test_there_is_a_most_of_images(door: Door) -> None:
    problem(door.predict("lite", files=ONE * (LIMITS.items + 1)), 400)
    problem(door.predict("lite", json={"inputs": ["AAAA"] * (LIMITS.items + 1)}), 422)


def test_it_names_each_image_that_it_cannot_read(door: Door) -> None:
    bomb = io.BytesIO()
    Image.new("1", (5000, 5000)).save(bomb, "PNG")
    contents = [b"", photo("coffee.png"), b"hello", bomb.getvalue()]
    found = problem(door.predict("lite", files=[("image", ("a", c)) for c in contents]), 422)
    assert [(error["field"], error["index"]) for error in found["errors"]] == [
        ("image", 0),
        ("image", 2),
        ("image", 3),
    ]
    details = [error["detail"] for error in found["errors"]]
    assert "empty" in details[0]
    assert "JPEG" in details[1]
    assert "5000 × 5000" in details[2]


def test_it_names_each_text_that_it_cannot_read(door: Door) -> None:
    found = problem(door.predict("lite", json={"inputs": ["?", "aGVsbG8="]}), 422)
    assert [error["index"] for error in found["errors"]] == [0, 1]
    assert found["errors"][0]["field"] == "inputs"
    assert "base64" in found["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"inputs": [[NaN, 0, 0, 0]]}',
        b'{"inputs": [[1e999, 0, 0, 0]]}',
        b'{"inputs": ' + b"[" * 100_000,
        b"\xff\xfe",
        b'{"inputs": [["\\ud800"]]}',
    ],
)
def test_malformed_json_is_told(door: Door, body: bytes) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    problem(door.predict("rows", content=body, headers=headers), 400)


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        1,
        {},
        {"input": [[0, 0, 0, 0]]},
        {"inputs": [[0, 0, 0, 0]], "more": 1},
        {"inputs": None},
        {"inputs": 1},
        {"inputs": "x"},
        {"inputs": []},
        {"inputs": {}},
        {"inputs": [0, 0, 0, 0]},
        {"inputs": [[]]},
        {"inputs": [[0, 0, 0]]},
        {"inputs": [[0, 0, 0, 0], [0]]},
        {"inputs": [[0, 0, 0, 0], 0]},
        {"inputs": [[0, 0, 0, [0]]]},
        {"inputs": [[0, 0, 0, "0"]]},
        {"inputs": [[0, 0, 0, None]]},
        {"inputs": [[0, 0, 0, True]]},
        {"inputs": [[0, 0, 0, {}]]},
        {"inputs": [[0, 0, 0, 1e300]]},
        {"inputs": {"y": [[0, 0, 0, 0]]}},
        {"inputs": {"x": [[0, 0, 0, 0]], "y": []}},
        {"inputs": ["x"]},
    ],
)
def test_inputs_must_fit_the_model(door: Door, body: object) -> None:
    problem(door.predict("rows", json=body), 422)


@pytest.mark.parametrize(
    "inputs",
    [
        [[[[0.0]]]],
        [["a"], "b"],
        ["a", 1],
        [[[[0.0] * 8] * 8] * 3] * (LIMITS.items + 1),
        [],
        "AAAA",
    ],
)
def test_pictures_must_fit_the_model(door: Door, inputs: object) -> None:
    problem(door.predict("small", json={"inputs": inputs}), 422)


@pytest.mark.parametrize(
    "inputs",
    [
        [[1, 1]],
        {"a": [[1, 1]], "b": [[1, 1.0]]},
        {"a": [[1, 1]], "b": [[1, 2**40]]},
        {"a": [[1, 1]], "b": [[1, True]]},
        {"a": [[1, 1]], "b": [[1, 1], [1, 1]]},
        {"a": [[1, 1]]},
    ],
)
def test_every_input_must_fit(door: Door, inputs: object) -> None:
    problem(door.predict("two", json={"inputs": inputs}), 422)


def test_it_says_what_is_expected(door: Door) -> None:
    found = problem(door.predict("rows", json={"inputs": [[0]]}), 422)
    assert "x FP32 [-1, 4]" in found["detail"]
    assert found["errors"] == [{"field": "inputs.x", "detail": "The shape is [1, 1]."}]


def test_what_the_model_cannot_compute_is_told(door: Door) -> None:
    assert "[-1, -1]" in problem(door.predict("picky", json={"inputs": [[1, 2, 3]]}), 422)["detail"]


def test_pictures_with_numbers_beyond_the_model_are_told(door: Door) -> None:
    huge = [[[[3e38] * 8] * 8] * 3]
    problem(door.predict("small", json={"inputs": huge}), 422)


def test_problems_speak_the_callers_language(door: Door) -> None:
    headers = {"Accept-Language": "zh-CN,zh;q=0.9"}
    found = problem(door.predict("lite", json={"inputs": ["?"]}, headers=headers), 422)
    assert found["detail"].startswith("【")
    assert found["errors"][0]["detail"].startswith("【")


@pytest.mark.parametrize(
    ("given", "kept"), [("request-0001", True), ("bad id!", False), ("", False)]
)
def test_a_request_keeps_its_id(door: Door, given: str, kept: bool) -> None:
    response = door.predict("rows", json=ROW, headers={"X-Request-ID": given})
    assert (response.headers["x-request-id"] == given) is kept
    assert len(response.headers["x-request-id"]) >= 8


def test_a_bug_is_logged_and_not_shown(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("inference.protocol.predict.json_response", lambda content: 1 / 0)
    body = problem(door.predict("rows", json=ROW), 500)
    assert "division" not in str(body)
    assert "ZeroDivisionError" in caplog.text


def test_a_client_that_leaves_is_let_go(door: Door) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there to read this")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/models/rows/predict/",
        "headers": [(b"authorization", b"viewer"), (b"content-type", b"application/json")],
    }
    door.run(door.app(scope, receive, send))


def test_each_answer_is_logged_once(door: Door) -> None:
    door.lines.clear()
    answer = door.predict("rows", json=ROW)
    ((message, request_id, event),) = door.lines
    assert message == "POST /api/v1/models/rows/predict/ 200"
    assert request_id == answer.headers["X-Request-ID"]
    assert (event["outcome"], event["status"], event["model"]) == ("success", 200, "rows")
    assert (event["version"], event["principal"], event["items"]) == ("1.0.0", "user:1", 1)
    assert event["duration"] > 0
    assert event["bytes"] > 0


def test_nobody_is_turned_away_for_what_the_snapshot_does_not_know_yet(door: Door) -> None:
    door.unseen.add("rows")
    assert door.predict("rows", json=ROW).status_code == 200
