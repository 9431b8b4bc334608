"""The lines of every role of a running hub: whole, in the template's fields, without secrets, and
found by the id of the request that they are about."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.launch.child import Child, Role
from ops.launch.container import command
from tests.cast import PASSWORD
from tests.contract.batching import JOBS, json_lines
from tests.contract.calls import API, problem_of, unique
from tests.contract.making import tiny_onnx
from tests.ecs import faults_of, template_fields
from tests.hub import PREPARE, STARTS_WITHIN, Hub, hub_environ
from tests.ops.launching import Program
from tests.ports import free_port
from tests.stack import SECRET, Stack

pytestmark = pytest.mark.slow

WORD, NUMBER = "Zwetschgendatschi", 31337.0625  # of payloads
WRONG_PASSWORD = "Wrong-Horse-77"
ROLES = ("web", "infer", "worker", "batch", "beat")
Line = dict[str, Any]


@dataclass
class Session:
    """What was done, and what every role said meanwhile."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    batch: int = 0
    model: str = ""

    def of(self, request_id: str, role: str = "") -> list[Line]:
        """The lines of a request, of one role or all."""
        lines = [json.loads(line) for said in self.lines.values() for line in said]
        return [
            line
            for line in lines
            if line.get("http", {}).get("request", {}).get("id") == request_id
            and role in ("", line["service"]["node"]["role"])
        ]


class Roles:
    """The five roles of a hub, each a process as in its container."""

    def __init__(self, hub: Hub) -> None:
        self.urls: dict[str, str] = {}
        self.children: dict[str, Child] = {}
        for role in ROLES:
            own = {"AIHUB_ROLE": role, "AIHUB_PORT": str(free_port()), "AIHUB_GRPC_PORT": "0"}
            environ = hub.environ | own
            log = hub.env.AIHUB_HOME / "logs" / f"role-{role}.log"
            program = command([role], environ)
            self.urls[role] = f"http://127.0.0.1:{environ['AIHUB_PORT']}"
            self.children[role] = Child(Role(role, program, env_without_password(environ), log))

    def stop(self) -> dict[str, list[str]]:
        """Stop them; what each said from its first word to its last."""
        for child in self.children.values():
            child.ask_to_stop()
        for child in self.children.values():
            child.process.wait(STARTS_WITHIN)
        return {name: lines_of(child.role.log) for name, child in self.children.items()}

    def kill(self) -> None:
        for child in self.children.values():
            child.kill_and_wait()


def env_without_password(environ: Mapping[str, str]) -> dict[str, str]:
    """As a role's container has it: the administrator's password is the launcher's alone."""
    return {name: value for name, value in environ.items() if name != "AIHUB_ADMIN_PASSWORD"}


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.fixture(scope="module")
def session(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A hub of five roles that was called in every way, well and badly, and then stopped."""
    done = Session()
    environ = hub_environ(stack, "logs", AIHUB_LOG_LEVEL="INFO")
    hub = Hub(environ)
    prepared = Program(["-m", "ops.launch.container", "migrate", "--no-input"], environ)
    assert prepared.read_to_end() == 0, prepared.text
    prepared.close()
    done.lines["command"] = list(prepared.said)
    hub.run_python(PREPARE)
    roles = Roles(hub)
    with ExitStack() as cleanup:
        cleanup.callback(roles.kill)
        _call_everything(hub, roles, done, tmp_path_factory.mktemp("logs"))
        done.lines |= roles.stop()
    return done


def _call_everything(hub: Hub, roles: Roles, done: Session, folder: Path) -> None:
    with ExitStack() as clients:
        web, infer = (
            clients.enter_context(httpx.Client(base_url=roles.urls[role], timeout=60))
            for role in ("web", "infer")
        )
        for client in (web, infer):
            hub.wait_until(lambda c=client: _is_ready(c), f"{client.base_url} to be ready")
        _sign_in(web, infer, done)
        _publish(hub, web, done, folder)
        _predict(infer, done)
        _upload(web, done)
        _run_batch(hub, web, done)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _sign_in(web: httpx.Client, infer: httpx.Client, done: Session) -> None:
    login = {"username": "admin", "password": WRONG_PASSWORD}
    assert web.post(f"{API}/auth/token/", json=login).status_code == 401
    tokens = web.post(f"{API}/auth/token/", json={**login, "password": PASSWORD}).json()
    web.headers["Authorization"] = f"Bearer {tokens['access']}"
    asked = {"name": "app", "team": "alpha", "actions": ["predict", "read"]}
    key = web.post(f"{API}/api-keys/", json=asked).json()["key"]
    hook = {"name": "away", "team": "alpha", "url": f"http://127.0.0.1:{free_port()}/hook?s={WORD}"}
    sent = web.post(f"{API}/webhooks/", json={**hook, "events": ["version.ready"]})
    assert sent.status_code == 201, sent.text
    infer.headers["Authorization"] = f"Api-Key {key}"
    done.secrets |= {
        "password": PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "API key": key,
        "access": tokens["access"],
        "refresh": tokens["refresh"],
        "webhook": sent.json()["secret"],
        "secret key": SECRET,
    }


def _publish(hub: Hub, web: httpx.Client, done: Session, folder: Path) -> None:
    done.model = unique("logged")
    file = tiny_onnx(folder / "tiny.onnx").read_bytes()
    for version, content in (("1.0.0", file), ("2.0.0", file[:-40])):
        answer = web.post(
            f"{API}/models/{done.model}/versions/",
            data={"version": version, "task": "tensor", "team": "alpha"},
            files={"file": ("tiny.onnx", content)},
            headers={"X-Request-ID": f"publish-{version}"},
        )
        assert answer.status_code in (202, 400), answer.text
    hub.wait_until(lambda: _version(web, done.model)["state"] == "ready", "the version", 60)


def _version(web: httpx.Client, model: str) -> Any:
    return web.get(f"{API}/models/{model}/versions/1.0.0/").json()


def _predict(infer: httpx.Client, done: Session) -> None:
    path, own = f"{API}/models/{done.model}/predict/", {"X-Request-ID": "predict-good"}
    body = {"inputs": [[NUMBER, 0.0, 0.0, 1.0]]}
    assert infer.post(f"{path}?version=1.0.0", json=body, headers=own).status_code == 200
    bad = infer.post(path, json={"inputs": [[WORD]]}, headers={"X-Request-ID": "predict-bad-1"})
    problem_of(bad, 422)


def _upload(web: httpx.Client, done: Session) -> None:
    upload = web.post(f"{API}/uploads/", json={"filename": "w.bin", "size": 20}).json()
    parts = web.post(f"{API}/uploads/{upload['id']}/parts/", json={"numbers": [1]}).json()
    (part,) = parts["parts"]
    url = httpx.URL(part["url"])
    done.secrets["presigned"] = url.params.get("signature") or url.params["X-Amz-Signature"]
    target = url if url.is_absolute_url else web.base_url.join(url)
    assert httpx.put(target, content=WORD.encode() + b"xyz", headers=part["headers"]).is_success
    forged = target.copy_set_param("expires", "1").copy_set_param("X-Amz-Expires", "1")
    assert httpx.put(forged, content=WORD.encode() + b"xyz").is_client_error


def _run_batch(hub: Hub, web: httpx.Client, done: Session) -> None:
    rows = [[NUMBER, 0.0, 0.0, 1.0]] * 30 + [[WORD, 0.0, 0.0, 1.0]]
    answer = web.post(
        JOBS,
        data={"model": done.model, "chunk_rows": "10", "batch_size": "5"},
        files={"input": ("rows.jsonl", json_lines(rows))},
        headers={"X-Request-ID": "batch-made-1"},
    )
    assert answer.status_code == 202, answer.text
    done.batch = answer.json()["id"]
    _wait_over(hub, web, done.batch)
    again = web.post(f"{JOBS}{done.batch}/retry/", headers={"X-Request-ID": "batch-retried"})
    assert again.is_success, again.text
    _wait_over(hub, web, done.batch)


def _wait_over(hub: Hub, web: httpx.Client, job: int) -> None:
    def over() -> bool:
        return web.get(f"{JOBS}{job}/").json()["state"] in ("succeeded", "failed")

    hub.wait_until(over, f"batch job {job} to be over")


@pytest.mark.parametrize("role", [*ROLES, "command"])
def test_every_line_of_a_role_is_a_document_of_the_template(session: Session, role: str) -> None:
    fields = template_fields()
    assert session.lines[role]
    faults = []
    for text in session.lines[role]:
        try:
            line = json.loads(text)
        except ValueError:
            faults.append(f"no JSON: {text}")
            continue
        faults += [f"{fault}: {text}" for fault in faults_of(line, fields)]
        if role in ROLES and line["service"]["node"]["role"] != role:
            faults.append(f"of another role: {text}")
    assert not faults, "\n".join(faults)


def test_no_line_holds_a_secret_or_a_payload(session: Session) -> None:
    payload = {"word": WORD, "number": str(NUMBER)}
    said = "\n".join(line for lines in session.lines.values() for line in lines)
    held = [name for name, secret in {**session.secrets, **payload}.items() if secret in said]
    assert held == []


def test_a_publication_is_followed_into_the_worker(session: Session) -> None:
    (asked,) = (
        line
        for line in session.of("publish-1.0.0", "web")
        if line["event"]["dataset"] == "aihub.requests"
    )
    assert asked["http"]["response"]["status_code"] == 202
    assert asked["url"]["path"] == f"/api/v1/models/{session.model}/versions/"
    assert asked["user"]["id"].startswith("user:")
    work = session.of("publish-1.0.0", "worker")
    assert {line["event"].get("action") for line in work} >= {"job", "version.ready", "delivery"}
    (ready,) = (line for line in work if line["event"].get("action") == "version.ready")
    assert ready["aihub"]["model"] == {"name": session.model, "version": "1.0.0"}
    assert ready["aihub"]["job"]["kind"] == "process-version"


def test_a_batch_job_is_followed_from_the_request_to_the_row_that_failed(session: Session) -> None:
    work = session.of("batch-made-1", "batch")
    about = [line["aihub"].get("batch", {}) for line in work]
    chunks = [line for line in work if line["event"].get("action") == "batch-chunk"]
    assert sorted(line["aihub"]["batch"]["chunk"] for line in chunks) == [0, 1, 2, 3]
    assert {line["aihub"]["batch"]["job"] for line in chunks} == {session.batch}
    kinds = {line["aihub"]["job"]["kind"] for line in work if "job" in line["aihub"]}
    assert kinds == {"batch-plan", "batch-finish"}
    (row,) = (line for line in work if line["event"].get("action") == "batch-row")
    assert row["aihub"]["batch"] == {"job": session.batch, "chunk": 3, "row": "31"}
    assert row["aihub"]["model"] == {"name": session.model, "version": "1.0.0"}
    assert row["error"]["message"]
    assert {a["job"] for a in about if "job" in a} == {session.batch}


def test_work_that_was_asked_for_again_is_found_by_the_new_request(session: Session) -> None:
    actions = [line["event"].get("action") for line in session.of("batch-retried", "batch")]
    assert actions.count("batch-chunk") == 1  # the one with the row that failed
    assert "batch.succeeded" in actions


def test_a_prediction_is_one_line_with_its_model_time_and_caller(session: Session) -> None:
    (good,), (bad,) = (
        [line for line in session.of(asked) if line["event"]["dataset"] == "aihub.predictions"]
        for asked in ("predict-good", "predict-bad-1")
    )
    assert good["aihub"] == {"model": {"name": session.model, "version": "1.0.0"}, "items": 1}
    assert good["url"]["path"] == f"/api/v1/models/{session.model}/predict/"
    assert good["event"]["duration"] > 0
    assert good["user"]["id"].startswith("key:")
    statuses = (good, bad)
    assert [line["http"]["response"]["status_code"] for line in statuses] == [200, 422]
    assert [line["event"]["outcome"] for line in statuses] == ["success", "failure"]
