"""The handler of eviction notices, beside a provider and an API server that answer over HTTP."""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from ops.spot.cluster import Cluster
from ops.spot.handler import Handler
from ops.spot.notices import AZURE_EVENTS, AZURE_NAME, PROVIDERS
from ops.spot.settings import Wrong, read
from tests.ops.launching import Program
from tests.ops.spot_servers import NODE, TOKEN, Api, Metadata, pod, serving

AWS_TOKEN = ("PUT", "/latest/api/token")
AWS_ACTION = ("GET", "/latest/meta-data/spot/instance-action")
GCP = ("GET", "/computeMetadata/v1/instance/preempted")
TOLD = '{"action": "terminate", "time": "2026-11-27T05:02:00Z"}'


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return tmp_path


def notice(servers: ExitStack, provider: str, metadata: Metadata) -> str | None:
    """What a provider's metadata is understood to say."""
    servers.enter_context(serving(metadata))
    client = servers.enter_context(httpx.Client(base_url=metadata.url))
    return PROVIDERS[provider].notice(client)


def handler(servers: ExitStack, api: Api, account: Path, says: str | None = "It goes") -> Handler:
    servers.enter_context(serving(api))
    client = servers.enter_context(httpx.Client(base_url=api.url))
    cluster = Cluster(client, node=NODE, namespace="aihub", account=account)
    return Handler(lambda: says, cluster, account / "asked")


class TestNotices:
    def test_aws_is_asked_with_a_token(self, servers: ExitStack) -> None:
        answers = {AWS_TOKEN: (200, "secret"), AWS_ACTION: (200, TOLD)}
        said = notice(servers, "aws", Metadata(answers))
        assert said == "AWS will terminate this machine at 2026-11-27T05:02:00Z"

    def test_aws_has_nothing_there_while_the_machine_stays(self, servers: ExitStack) -> None:
        assert notice(servers, "aws", Metadata({AWS_TOKEN: (200, "secret")})) is None

    @pytest.mark.parametrize(
        ("answer", "said"), [("FALSE", None), ("TRUE", "Google Cloud preempts this machine")]
    )
    def test_google_says_true_or_false(
        self, servers: ExitStack, answer: str, said: str | None
    ) -> None:
        google = Metadata({GCP: (200, answer)}, {"Metadata-Flavor": "Google"})
        assert notice(servers, "gcp", google) == said

    @pytest.mark.parametrize(
        ("kind", "machine", "is_told"),
        [("Preempt", "spot_1", True), ("Preempt", "spot_2", False), ("Reboot", "spot_1", False)],
    )
    def test_azure_tells_all_machines_of_a_set(
        self, servers: ExitStack, kind: str, machine: str, is_told: bool
    ) -> None:
        event = {"EventType": kind, "Resources": [machine], "NotBefore": "soon"}
        answers = {
            ("GET", AZURE_EVENTS): (200, json.dumps({"Events": [event]})),
            ("GET", AZURE_NAME): (200, "spot_1"),
        }
        said = notice(servers, "azure", Metadata(answers, {"Metadata": "true"}))
        assert (said is not None) == is_told

    @pytest.mark.parametrize("answer", [(500, ""), (200, "soon"), (200, "[]")])
    def test_an_answer_without_a_meaning_is_no_notice(
        self, servers: ExitStack, answer: tuple[int, str]
    ) -> None:
        with pytest.raises(httpx.HTTPError):
            notice(servers, "aws", Metadata({AWS_TOKEN: (200, "secret"), AWS_ACTION: answer}))


class TestEmptying:
    def test_the_node_is_closed_before_its_pods_are_asked_to_leave(
        self, servers: ExitStack, account: Path
    ) -> None:
        api = Api([pod("infer-1"), pod("batch-1")])
        handler(servers, api, account).look()
        assert api.calls[0] == ("PATCH", f"/api/v1/nodes/{NODE}")
        assert api.evictions == ["infer-1", "batch-1"]

    def test_without_a_notice_nothing_is_asked_of_kubernetes(
        self, servers: ExitStack, account: Path
    ) -> None:
        api = Api([pod("infer-1")])
        handler(servers, api, account, says=None).look()
        assert api.calls == []

    def test_only_the_hubs_pods_that_run_are_asked_and_once(
        self, servers: ExitStack, account: Path
    ) -> None:
        api = Api([pod("done", "Succeeded"), pod("other", app="other"), pod("infer-1")])
        looking = handler(servers, api, account)
        looking.look()
        looking.look()
        assert api.evictions == ["infer-1"]
        assert [method for method, _ in api.calls].count("PATCH") == 1

    def test_a_pod_that_its_budget_holds_back_is_asked_again(
        self, servers: ExitStack, account: Path
    ) -> None:
        api = Api([pod("infer-1"), pod("batch-1")], refusals={"infer-1": 1})
        looking = handler(servers, api, account)
        looking.look()
        looking.look()
        assert api.evictions == ["infer-1", "batch-1", "infer-1"]

    def test_pods_leave_also_where_the_node_cannot_be_closed(
        self, servers: ExitStack, account: Path
    ) -> None:
        api = Api([pod("infer-1")], failures=1)
        looking = handler(servers, api, account)
        looking.look()
        assert api.evictions == ["infer-1"]
        assert not api.closed.is_set()
        looking.look()
        assert api.closed.is_set()

    def test_a_renewed_token_is_used(self, servers: ExitStack, account: Path) -> None:
        (account / "token").write_text("one that has expired")
        api = Api([pod("infer-1")])
        looking = handler(servers, api, account)
        looking.look()
        assert not api.closed.is_set()
        (account / "token").write_text(TOKEN)
        looking.look()
        assert api.evictions == ["infer-1"]

    def test_it_says_when_it_last_asked_and_stops_when_told(
        self, servers: ExitStack, account: Path
    ) -> None:
        stopped = threading.Event()
        stopped.set()
        handler(servers, Api([]), account, says=None).run(stopped, poll=30)
        assert (account / "asked").exists()


@pytest.mark.slow
def test_the_program_empties_its_node_over_tls_and_ends_when_told(
    servers: ExitStack, account: Path
) -> None:
    metadata = Metadata({AWS_TOKEN: (200, "secret")})
    api = Api([pod("infer-1"), pod("batch-1")])
    servers.enter_context(serving(metadata))
    servers.enter_context(serving(api, _certified(account)))
    host, port = api.url.removeprefix("https://").split(":")
    environ = dict(os.environ) | {
        "SPOT_PROVIDER": "aws",
        "SPOT_NODE": NODE,
        "SPOT_NAMESPACE": "aihub",
        "SPOT_POLL": "0.05",
        "SPOT_METADATA_URL": metadata.url,
        "SPOT_ACCOUNT": str(account),
        "SPOT_ASKED": str(account / "asked"),
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT_HTTPS": port,
    }
    program = Program(["-m", "ops.spot"], environ)
    try:
        metadata.answers[AWS_ACTION] = (200, TOLD)
        assert api.emptied.wait(30)
        program.process.terminate()
        assert program.read_to_end() == 0
    finally:
        program.close()
    assert api.closed.is_set()
    assert "AWS will terminate this machine" in program.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"SPOT_NODE": ""}, "SPOT_NODE is not set."),
        ({"SPOT_POLL": "often"}, "SPOT_POLL=often does not fit: it must be a number of seconds"),
        ({"KUBERNETES_SERVICE_HOST": ""}, "KUBERNETES_SERVICE_HOST is not set."),
    ],
)
def test_what_does_not_fit_is_one_sentence(wrong: dict[str, str], said: str) -> None:
    right = {
        "SPOT_PROVIDER": "aws",
        "SPOT_NODE": NODE,
        "SPOT_NAMESPACE": "aihub",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    }
    assert read(right).api_url == "https://10.0.0.1:443"
    with pytest.raises(Wrong, match=said):
        read(right | wrong)


def test_a_provider_that_is_not_known_is_one_sentence() -> None:
    environ = dict(os.environ) | {
        "SPOT_PROVIDER": "other",
        "SPOT_NODE": NODE,
        "SPOT_NAMESPACE": "aihub",
        "SPOT_API_URL": "http://127.0.0.1:1",
    }
    program = Program(["-m", "ops.spot"], environ)
    assert program.read_to_end() == 1
    assert program.said == [
        "The handler of spot notices cannot start. SPOT_PROVIDER=other: it must be aws, gcp, azure."
    ]


def _certified(account: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that the account of the Pod trusts."""
    cert, key = account / "ca.crt", account / "key.pem"
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(cert)),
    )
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
