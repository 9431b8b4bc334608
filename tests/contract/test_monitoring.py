"""What Prometheus learns of a running hub under traffic: every query and every rule finds data.

One hub, scraped by a real Prometheus by the rules of ops/stack, whose alerts go through a real
Alertmanager to receivers of this test.
"""

import json
import re
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from ops.dashboards.overview import RESPONSES
from tests.contract.batching import json_lines, started, wait_over
from tests.contract.calls import API, predict_json, publish, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub, hub_environ
from tests.monitoring import (
    Config,
    Prometheus,
    alertmanager,
    configuration,
    has_data,
    impatient_rules,
    prometheus,
    without_data,
)
from tests.ops.receiver import Receiver, answer, receiving
from tests.ops.stack.dashboards import FILES, board_of, expressions, filled, variables
from tests.ops.stack.rules import alerts, alternatives, compared, recorded
from tests.ops.stack.test_alertmanager import FILE as ALERTMANAGER
from tests.ports import free_ports
from tests.stack import Stack

pytestmark = pytest.mark.slow

VERSIONS = ("1.0.0", "2.0.0")
WITHIN = 30.0  # seconds until what happened can be asked for
TOKEN, PASSWORD = "a token of the tests", "a password of the tests"
# What Grafana computes from a dashboard's range of time and from how often is scraped.
BUILT_IN = {"__rate_interval": "1m", "__range": "5m"}


@dataclass
class Mailbox:
    """A mail server's: what came, and who signed in."""

    mails: Queue[Any] = field(default_factory=Queue)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.put((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"

    def sign_in(self, server: Any, session: Any, envelope: Any, mechanism: str, said: Any) -> Any:
        return AuthResult(success=said.password.decode() == PASSWORD)


@dataclass
class Monitored:
    """A hub, who watches it, and who is told."""

    hub: Hub
    prometheus: Prometheus
    alertmanager: str
    pager: Receiver
    mailbox: Mailbox
    model: str

    def values(self, expression: str) -> list[float]:
        return self.prometheus.values(expression)


@pytest.fixture(scope="module")
def monitored(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    folder = tmp_path_factory.mktemp("monitoring")
    own, alerting, mail = free_ports(3)
    with ExitStack() as running:
        shown = running.enter_context(receiving(tls=certified(folder)))
        public = shown.url.replace("http:", "https:").removesuffix("/hook")
        hub = Hub(hub_environ(stack, "monitored", AIHUB_PUBLIC_URL=public))
        running.callback(hub.stop)
        hub.start()
        pager, mailbox = running.enter_context(receiving()), Mailbox()
        controller = Controller(
            mailbox,
            hostname="127.0.0.1",
            port=mail,
            authenticator=mailbox.sign_in,
            auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN"],  # Alertmanager knows other words of it
        )
        controller.start()
        running.callback(controller.stop)
        telling = told(folder, pager.url, f"127.0.0.1:{mail}")
        running.enter_context(alertmanager(folder / "alertmanager", alerting, telling))
        addresses = [f"127.0.0.1:{port}" for port in (hub.env.AIHUB_PORT, own, alerting)]
        watching = prometheus(
            folder / "prometheus", own, configuration(*addresses), impatient_rules()
        )
        watcher = running.enter_context(watching)
        url = f"http://127.0.0.1:{alerting}"
        monitored = Monitored(hub, watcher, url, pager, mailbox, unique("watched"))
        live(monitored, folder)
        yield monitored


def certified(folder: Path) -> ssl.SSLContext:
    """A certificate that ends in three days."""
    files = ("-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3")
    subprocess.run((*command, "-subj", "/CN=hub", *files), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def told(folder: Path, pager: str, mail: str) -> Config:
    """Alertmanager's configuration with receivers of this test, and no patience."""
    config: Config = yaml.safe_load(ALERTMANAGER.read_text())
    (folder / "token").write_text(TOKEN)
    (folder / "password").write_text(PASSWORD)
    config["global"] |= {
        "smtp_smarthost": mail,
        "smtp_auth_password_file": str(folder / "password"),
        "smtp_require_tls": False,
    }
    (page,) = (receiver for receiver in config["receivers"] if receiver["name"] == "page")
    (webhook,) = page["webhook_configs"]
    webhook["url"] = pager
    webhook["http_config"]["authorization"]["credentials_file"] = str(folder / "token")
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    return config


def live(monitored: Monitored, folder: Path) -> None:
    """What happens to a hub, twice: a rate needs something to grow."""
    hub, model = monitored.hub, monitored.model
    client, file = hub.client(), tiny_onnx(folder / "tiny.onnx")
    for version in VERSIONS:
        publish(client, model, version, file, task="tensor", team="alpha").raise_for_status()
    for version in VERSIONS:
        hub.wait_ready(model, version)
    path = f"{API}/models/{model}/versions/2.0.0/breaker/"
    assert client.put(path, json={"force": "open"}).status_code == 200
    hub.wait_until(lambda: call(client, model, "2.0.0").status_code == 503, "the breaker", WITHIN)
    with receiving() as hook:
        hook.answers.append(answer(500))
        sent = {"name": "told", "team": "alpha", "url": hook.url, "events": ["version.rejected"]}
        assert client.post(f"{API}/webhooks/", json=sent).status_code == 201
        traffic(hub, client, model, file, HTTPStatus.SERVICE_UNAVAILABLE)
        hook.next()
        scraped(monitored)
        stood_in_for(hub, client, model)
        traffic(hub, client, model, file, HTTPStatus.OK)
        hook.next()
        scraped(monitored)


def stood_in_for(hub: Hub, client: httpx.Client, model: str) -> None:
    """From now on the version before answers for the one whose breaker is open."""
    serving = {"serving": {"fallback": "previous"}}
    assert client.patch(f"{API}/models/{model}/", json=serving).status_code == 200
    hub.wait_until(lambda: call(client, model, "2.0.0").status_code == 200, "the other", WITHIN)


def call(client: httpx.Client, model: str, version: str, *row: float) -> httpx.Response:
    return predict_json(client, model, [row or (0.0, 0.0, 0.0, 1.0)], version=version)


def traffic(hub: Hub, client: httpx.Client, model: str, file: Path, broken: HTTPStatus) -> None:
    """`broken` is how the version answers whose breaker is open."""
    unfit, version = f"{model}-unfit", f"3.0.{broken}"
    publish(client, unfit, version, file, team="alpha", num_classes="7")
    good = [[float(n), 0.0, 0.0, 1.0] for n in range(200)]
    job = started(client, model, "rows.jsonl", json_lines([*good, ["none"]]), version="1.0.0")
    for _ in range(20):
        assert call(client, model, "1.0.0").status_code == 200
        assert call(client, model, "1.0.0", 1.0).status_code == 422
        assert call(client, model, "2.0.0").status_code == broken
    assert hub.anonymous().get(f"{API}/models/").status_code == 401
    assert hub.wait_processed(unfit, version)["state"] == "rejected"
    over = wait_over(hub, job["id"])
    assert (over["state"], over["done"], over["failed"]) == ("succeeded", 200, 1)


def scraped(monitored: Monitored) -> None:
    """Every process was scraped since, which Prometheus tells by the time of its samples."""
    last = max(scrape_times(monitored))
    monitored.hub.wait_until(lambda: min(scrape_times(monitored)) > last, "a scrape of all")


def scrape_times(monitored: Monitored) -> list[float]:
    return monitored.values('timestamp(up{job="aihub"})') or [0.0]


def parts_of(asked: Mapping[str, str]) -> dict[str, str]:
    """Also each side of an “or” by itself: the other one must not hide that it finds nothing."""
    sides = {
        f"{name}: {side}": answered_well(side)
        for name, text in asked.items()
        for side in alternatives(text)
    }
    return {**asked, **sides}


def answered_well(text: str) -> str:
    """The console has no answer of 5xx to show: of its series only that status is not tried."""
    if "django_http_responses" in text:
        return text.replace('status=~"5.."', 'status=~"2.."')
    return text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_finds_data(monitored: Monitored, path: Path) -> None:
    board = board_of(path)
    values = BUILT_IN | dict.fromkeys(variables(board), ".*") | {"model": monitored.model}
    asked = parts_of({name: filled(text, values) for name, text in expressions(board)})
    assert without_data(monitored.values, asked, WITHIN) == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_variable_of_a_dashboard_has_values(monitored: Monitored, path: Path) -> None:
    found = variables(board_of(path))
    values = BUILT_IN | dict.fromkeys(found, ".*") | {"model": monitored.model}
    for name, (series, label) in found.items():
        offered = monitored.prometheus.labels(filled(series, values), label)
        assert offered, name
        if name == "model":
            assert monitored.model in offered


def test_every_rule_finds_data(monitored: Monitored) -> None:
    """Prometheus ran them: each has left a number, also in the part that an alert compares."""
    asked = {}
    for rule in recorded():
        labels = ", ".join(f'{name}="{value}"' for name, value in rule.get("labels", {}).items())
        asked[f"{rule['record']}{{{labels}}}"] = f"{rule['record']}{{{labels}}}"
    asked |= {series: series for rule in alerts() for series in compared(rule["expr"])}
    asked |= parts_of({rule["record"]: rule["expr"] for rule in recorded()})
    assert without_data(monitored.values, asked, WITHIN) == {}


def test_every_rule_is_evaluated_and_none_fails(monitored: Monitored) -> None:
    found = monitored.prometheus.rules()
    assert len(found) == len(alerts()) + len(recorded())
    assert {rule["health"] for rule in found} == {"ok"}


def test_probes_and_scrapes_are_not_among_the_answers(monitored: Monitored) -> None:
    """They are many, and a readiness of 503 is no failure: the objective must not hear of them."""
    views = monitored.prometheus.labels(RESPONSES, "view")
    assert any("ModelListView" in view for view in views)
    assert [view for view in views if re.search("readyz|livez|[Mm]etrics", view)] == []


def test_every_role_is_found_by_its_name(monitored: Monitored) -> None:
    found = [t for t in monitored.prometheus.targets() if t["labels"]["job"] == "aihub"]
    assert {t["labels"]["role"] for t in found} == {"web", "infer", "worker", "batch", "beat"}
    assert {t["health"] for t in found} == {"up"}
    assert {frozenset(t["labels"]) for t in found} == {frozenset({"job", "role", "instance"})}


def test_a_page_reaches_its_receiver_with_a_runbook_and_a_token(monitored: Monitored) -> None:
    paged = next_page(monitored, "CertificateExpiring")
    assert paged["labels"]["severity"] == "page"
    assert paged["annotations"]["runbook_url"] == "docs/runbooks.md#certificateexpiring"
    assert "runbooks" not in paged["labels"]
    assert paged["annotations"]["summary"].startswith("The certificate of 127.0.0.1 ends in 2d 23h")


def next_page(monitored: Monitored, name: str) -> Any:
    """The alert of this name, of those that the receiver is sent."""
    while True:
        received = monitored.pager.next()
        assert received.headers["Authorization"] == f"Bearer {TOKEN}"
        for alert in json.loads(received.body)["alerts"]:
            if alert["labels"]["alertname"] == name:
                return alert


def test_a_ticket_is_mailed_unless_a_page_tells_the_same(monitored: Monitored) -> None:
    def held_back() -> bool:
        asked = {"filter": 'alertname="CertificateExpiring"', "inhibited": "true"}
        known = httpx.get(f"{monitored.alertmanager}/api/v2/alerts", params=asked).json()
        states = {alert["labels"]["severity"]: alert["status"]["state"] for alert in known}
        return states == {"page": "active", "ticket": "suppressed"}

    monitored.hub.wait_until(held_back, "the ticket to be held back", WITHIN)
    while True:
        recipients, mail = monitored.mailbox.mails.get(timeout=WITHIN)
        if recipients == ["operations@example.com"]:
            assert "CertificateExpiring" not in mail
            if "BreakerOpen" in mail:
                return


class TestTheTestItself:
    """A check that cannot fail would be none."""

    def test_a_query_of_what_does_not_exist_is_told(self, monitored: Monitored) -> None:
        asked = {"good": "up", "wrong": "inference_requests_totall", "nothing": "up / 0 * 0 > 1"}
        assert set(without_data(monitored.values, asked, 0)) == {"wrong", "nothing"}

    def test_a_query_that_prometheus_refuses_is_told(self, monitored: Monitored) -> None:
        refused = without_data(monitored.values, {"wrong": "sum(rate(up[5m])"}, 0)
        assert "parse error" in refused["wrong"]

    def test_a_side_of_an_or_that_finds_nothing_is_told(self, monitored: Monitored) -> None:
        asked = parts_of({"hidden": "sum(nothing) or vector(0)"})
        assert set(without_data(monitored.values, asked, 0)) == {"hidden: sum(nothing)"}

    def test_a_quotient_of_nothing_is_no_data(self, monitored: Monitored) -> None:
        assert not has_data(monitored.values("vector(0) / vector(0)"))
        assert has_data(monitored.values("vector(0)"))
        assert not has_data([])
