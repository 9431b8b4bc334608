"""A real nginx by the hub's template: the rules of gateway_rules.py, one after the other."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.nginx import TEMPLATE, Gateway, gateway
from tests.ops.stack.gateway_rules import CONSOLE, PREDICT, RULES, SIGN_IN, Rule
from tests.ops.stack.upstreams import WITHIN, Upstream, dead, upstream

KEY = {"Authorization": "Api-Key aihub_00000000_x"}
REACHED = [rule for rule in RULES if rule.role]


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, Upstream]]:
    with upstream("web") as web, upstream("infer") as infer:
        yield {"web": web, "infer": infer}


@pytest.fixture(scope="module")
def nginx(
    upstreams: dict[str, Upstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("nginx")
    ports = {role: server.port for role, server in upstreams.items()}
    with gateway(folder, web=ports["web"], infer=[ports["infer"]]) as running:
        yield running


@pytest.fixture(scope="module")
def client(nginx: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=nginx.url, headers=KEY) as opened:
        yield opened


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.path)
def test_every_path_goes_to_its_role(client: httpx.Client, rule: Rule) -> None:
    answer = client.get(rule.path)
    if rule.role:
        assert answer.json()["role"] == rule.role
    else:
        assert answer.status_code == 404
        assert answer.json()["error"] == "There is nothing here."


@pytest.mark.parametrize("path", ["//metrics", "/%6detrics", "/x/../metrics", "/./readyz"])
def test_what_is_hidden_has_no_other_name(nginx: Gateway, path: str) -> None:
    assert b" 404 " in first_line(nginx, f"GET {path} HTTP/1.1")


@pytest.mark.parametrize("rule", REACHED, ids=lambda rule: rule.path)
def test_a_body_that_is_too_large_is_refused_before_it_is_sent(nginx: Gateway, rule: Rule) -> None:
    head = f"POST {rule.path} HTTP/1.1"
    said = ("Expect: 100-continue", f"Authorization: {KEY['Authorization']}")
    allowed = first_line(nginx, head, *said, f"Content-Length: {rule.limit}")
    assert allowed == b"HTTP/1.1 100 Continue"
    for sent in (said, said[1:]):
        refused = first_line(nginx, head, *sent, f"Content-Length: {rule.limit + 1}")
        assert b" 413 " in refused


@pytest.mark.parametrize("rule", REACHED, ids=lambda rule: rule.path)
def test_large_bodies_go_through_as_they_come(
    nginx: Gateway, upstreams: dict[str, Upstream], rule: Rule
) -> None:
    server = upstreams[rule.role]
    server.body_began.clear()
    with connected(nginx, f"POST {rule.path} HTTP/1.1", *lines(KEY), "Content-Length: 9") as sent:
        sent.sendall(b"12345678")
        if rule.streams in ("both", "body"):
            assert server.body_began.wait(WITHIN)
        else:
            assert not server.body_began.wait(0.02)
        sent.sendall(b"9")
        assert sent.recv(1024).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "rule", [r for r in REACHED if r.streams in ("both", "answer")], ids=lambda rule: rule.path
)
def test_large_answers_go_through_as_they_come(
    client: httpx.Client, upstreams: dict[str, Upstream], rule: Rule
) -> None:
    server = upstreams[rule.role]
    server.held = True
    try:
        with client.stream("GET", rule.path) as answer:
            pieces = answer.iter_raw()
            first = next(pieces)
            server.go_on.set()
            rest = b"".join(pieces)
    finally:
        server.held = False
        server.go_on.clear()
    assert first == rest


@pytest.mark.parametrize("rule", REACHED, ids=lambda rule: rule.path)
def test_who_shows_no_credential_is_refused_where_one_is_needed(
    client: httpx.Client, rule: Rule
) -> None:
    for shown in ("", "Basic eDp5", "Bearer"):
        answer = client.get(rule.path, headers={"Authorization": shown})
        assert answer.status_code == (401 if rule.needs_credential else 200)
        assert ("WWW-Authenticate" in answer.headers) == rule.needs_credential


def test_a_client_cannot_put_on_another_address(client: httpx.Client) -> None:
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X_Forwarded_For": "6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "X-Forwarded-Proto": "https",
    }
    seen = client.get("/", headers=forged).json()["headers"]
    assert (seen["X-Forwarded-For"], seen["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
    assert "X_Forwarded_For" not in seen
    assert seen["Host"] == client.base_url.netloc.decode()


@pytest.mark.parametrize("given", ["abc.def-123_4", "x" * 64])
def test_a_request_id_goes_through(client: httpx.Client, given: str) -> None:
    seen = client.get("/", headers={"X-Request-ID": given}).json()["headers"]
    assert seen["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with spaces", "line%0abreak"])
def test_a_request_id_is_made_where_none_fits(client: httpx.Client, given: str) -> None:
    seen = client.get("/", headers={"X-Request-ID": given}).json()["headers"]
    assert re.fullmatch(r"[0-9a-f]{32}", seen["X-Request-ID"])


def test_a_refusal_names_its_request(nginx: Gateway) -> None:
    answer = httpx.get(f"{nginx.url}/v2/models", headers={"X-Request-ID": "abcdefgh"})
    assert answer.json() == {
        "error": "Send Authorization: Bearer <token> or Api-Key <key>.",
        "request_id": "abcdefgh",
    }
    assert answer.headers["X-Request-ID"] == "abcdefgh"
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/api/v1/batch-jobs/", "/"])
def test_a_body_of_unknown_length_is_refused(client: httpx.Client, path: str) -> None:
    assert client.post(path, content=iter([b"piece"])).status_code == 411


def test_pages_of_other_origins_may_call(client: httpx.Client) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/v2/models/m/infer", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    answer = client.get("/v2/models/m", headers={"Origin": "https://app.example.com"})
    assert answer.headers.get_list("Access-Control-Allow-Origin") == ["*"]
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


def test_who_asks_too_often_is_told_to_wait(client: httpx.Client) -> None:
    answers = [client.get("/login/") for _ in range(60 * SIGN_IN + 40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["error"] == "Too many requests; try again later."
    assert refused[0].headers["Retry-After"] == "1"
    assert client.get("/").status_code == 200


def test_a_server_that_died_is_taken_out(tmp_path: Path) -> None:
    with (
        upstream("infer") as alive,
        dead() as died,
        gateway(tmp_path, web=alive.port, infer=[died.port, alive.port]) as nginx,
        httpx.Client(base_url=nginx.url, headers=KEY) as client,
    ):
        statuses = {client.post("/v2/models/m/infer", content=b"{}").status_code for _ in range(3)}
        statuses |= {client.get("/v2/models").status_code for _ in range(20)}
    assert died.asked <= 3
    assert 200 in statuses
    assert statuses <= {200, 502}  # a call that was sent already is not sent twice


def test_without_any_server_it_says_so(tmp_path: Path) -> None:
    with dead() as died, gateway(tmp_path, web=died.port, infer=[died.port]) as nginx:
        answer = httpx.get(f"{nginx.url}/")
    assert answer.status_code == 502
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["error"] == "The hub does not answer; try again later."


@pytest.mark.parametrize("rule", REACHED, ids=lambda rule: rule.path)
def test_its_rates_are_those_of_the_rules(rule: Rule) -> None:
    text = TEMPLATE.read_text()
    zones = {
        name: int(number) / {"s": 1, "m": 60}[unit]
        for name, number, unit in re.findall(r"zone=(\w+):10m rate=(\d+)r/([sm]);", text)
    }
    (limit,) = re.findall(r"limit_req zone=(\w+)", location_of(text, rule.path))
    assert zones[limit] == rule.rate
    assert {PREDICT, CONSOLE} <= {*zones.values()}


def location_of(text: str, path: str) -> str:
    """The block that nginx takes: the first regular expression that fits, else the longest
    prefix."""
    server = text.split("\nserver {")[1]
    blocks = re.findall(r"^    location (~ )?(\S+) \{\n(.*?)^    \}", server, re.M | re.S)
    for regex, pattern, block in blocks:
        if regex and re.search(pattern, path):
            return str(block)
    prefixes = [(len(p), b) for regex, p, b in blocks if not regex and path.startswith(p)]
    return str(max(prefixes)[1])


def lines(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def connected(nginx: Gateway, *head: str) -> socket.socket:
    """A connection that such a head was sent on."""
    connection = socket.create_connection(("127.0.0.1", nginx.port), timeout=WITHIN)
    connection.sendall("\r\n".join([*head, "Host: hub", "", ""]).encode())
    return connection


def first_line(nginx: Gateway, *head: str) -> bytes:
    """The first line of what is answered to a head alone."""
    with connected(nginx, *head) as connection:
        return connection.recv(1024).split(b"\r\n")[0]
