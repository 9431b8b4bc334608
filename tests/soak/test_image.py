"""The image is built from nothing but Debian, and every role of it runs with a read-only root."""

import json
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from packaging.utils import canonicalize_name

from aihub.env import BASE_DIR, Env
from tests.contract.batching import json_lines, rows, started, succeeded
from tests.contract.calls import predict, predict_json, published
from tests.contract.making import photograph, tiny_onnx
from tests.hub import Hub, hub_environ
from tests.inference.converting.programs import scripted_resnet
from tests.ports import free_port
from tests.services import Services, running_services
from tests.soak.podman import Podman, build, make_base, podman_in
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
IMAGE = "localhost/aihub:soak"
LARGEST = 2.2e9  # bytes, of which Debian and torch are a third
UID = 10001
COMPILED_WITHIN = 240.0  # seconds: compiling yields to everything else
ROLES = ("web", "infer", "worker", "batch", "beat")
OF_WORKERS = ("worker", "batch", "beat")
# PEP 552: the second word of a file says what it goes by; 1 is its source's hash, unchecked.
FLAGS = """
from pathlib import Path
files = (path for place in ("/app", "/opt/venv") for path in Path(place).rglob("*.pyc"))
print({int.from_bytes(file.open("rb").read(8)[4:], "little") for file in files})
"""
INSTALLED = """
from importlib.metadata import distributions
print(*{f"{one.name}=={one.version}" for one in distributions()})
"""
REFUSED = ("Read-only file system", "Permission denied", "Errno 30", "Errno 13")


class ContainedHub(Hub):
    """A hub each of whose roles is a container, beside services of this machine."""

    def __init__(self, podman: Podman, environ: dict[str, str], folder: Path) -> None:
        super().__init__(environ)
        self.podman = podman
        self.ports = {role: free_port() for role in ROLES} | {"web": self.env.AIHUB_PORT}
        self._file = folder / "environ"
        # The image says itself where its folder is.
        names = {field.name for field in fields(Env)} - {"AIHUB_HOME", "AIHUB_HOST"}
        known = (f"{name}={environ[name]}\n" for name in names if name in environ)
        self._file.write_text("".join(known))

    def start(self) -> None:
        """Prepare the database, start every role, wait until all of them are well."""
        self.podman.run(IMAGE, "prepare", options=["--rm", f"--env-file={self._file}"])
        for role in ROLES:
            self.podman.run(IMAGE, role, options=["--detach", "--name", role, *self._said(role)])
        for role in ROLES:
            self.wait_until(lambda role=role: self.healthy(role), f"{role} to be well")  # type: ignore[misc]
        for role in ("web", "infer"):
            url = f"{self.url_of(role)}/readyz"
            self.wait_until(lambda url=url: httpx.get(url).status_code == 200, url)  # type: ignore[misc]

    def healthy(self, role: str) -> bool:
        """Whether the image's own health check holds."""
        return self.podman.attempt("healthcheck", "run", role).returncode == 0

    def url_of(self, role: str) -> str:
        return f"http://127.0.0.1:{self.ports[role]}"

    def inferring(self) -> httpx.Client:
        """A client of the role that predicts, signed in at the one that gives tokens."""
        client = self.client()
        calling = httpx.Client(base_url=self.url_of("infer"), timeout=60, headers=client.headers)
        self._clients.append(calling)
        return calling

    def state(self, role: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.podman("inspect", "--format", "{{json .State}}", role)
        )
        return found

    def processes(self, role: str) -> list[psutil.Process]:
        first = psutil.Process(self.state(role)["Pid"])
        return [first, *first.children(recursive=True)]

    def said(self, role: str) -> str:
        """All that a role wrote."""
        done = self.podman.attempt("logs", role)
        return done.stdout + done.stderr

    def logs(self) -> str:
        return "\n".join(f"--- {role}\n{self.said(role)[-6000:]}" for role in ROLES)

    def _said(self, role: str) -> list[str]:
        port = "AIHUB_HEALTH_PORT" if role in OF_WORKERS else "AIHUB_PORT"
        own = [f"--env-file={self._file}", f"--env={port}={self.ports[role]}"]
        return own if role == "infer" else [*own, "--env=AIHUB_GRPC_PORT=0"]


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman, with the image built in its store."""
    folder = tmp_path_factory.mktemp("image")
    with podman_in(folder) as podman:
        make_base(podman, folder)
        build(podman, BASE_DIR, folder, IMAGE, TORCH_INDEX=os.environ.get("TORCH_INDEX", ""))
        yield podman


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_services(tmp_path_factory.mktemp("image-services")) as running:
        yield running


@pytest.fixture(scope="module")
def hub(
    podman: Podman, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ContainedHub]:
    folder = tmp_path_factory.mktemp("image-hub")
    stack = Stack("services", folder, services)
    running = ContainedHub(podman, hub_environ(stack, "image", AIHUB_OPTIMISE="true"), folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def inside(podman: Podman, script: str) -> list[str]:
    """The lines that a shell prints in the image, as somebody who may read everything."""
    options = ["--rm", "--user", "0", "--cap-add", "dac_read_search", "--entrypoint", "sh"]
    return podman.run(IMAGE, "-c", script, options=options).splitlines()


def test_it_holds_the_program_and_no_more(podman: Podman) -> None:
    assert sorted(inside(podman, "ls -A /app")) == sorted(
        ["__pycache__", "LICENSE", "NOTICE", "aihub", "inference", "manage.py", "ops", "registry"]
        + ["requirements.txt", "templates"]
    )
    names = "-name .git -o -name '.env*' -o -name stack -o -name tests -o -name pip"
    assert inside(podman, f"find /app /opt/venv \\( {names} \\)") == []
    tools = "gcc cc c++ ld make pkg-config mysql_config pip"
    assert inside(podman, f"for t in {tools}; do command -v $t || true; done") == []
    assert inside(podman, "ls -A /var/lib/apt/lists /root/.cache 2>/dev/null || true") == [
        "/var/lib/apt/lists:"
    ]


def test_it_holds_no_secret(podman: Podman) -> None:
    described = podman("inspect", IMAGE) + podman("history", "--no-trunc", IMAGE)
    assert "PASSWORD" not in described
    assert "SECRET" not in described
    assert inside(podman, "cat /etc/pip.conf 2>/dev/null || true") == []


def test_the_hubs_user_owns_its_folder_alone(podman: Podman) -> None:
    found = inside(podman, f"find / -xdev -user {UID} -not -path '/proc/*'")
    assert found
    assert all(path.startswith("/var/lib/aihub") for path in found)
    (user,) = podman("inspect", "--format", "{{.Config.User}}", IMAGE).split()
    assert user == f"{UID}:{UID}"


def test_byte_code_is_there_and_bears_no_time(podman: Podman) -> None:
    sources = "find /app -name '*.py' | wc -l"
    (number,) = inside(podman, sources)
    (compiled,) = inside(podman, sources.replace("*.py", "*.pyc"))
    assert compiled == number
    options = ["--rm", "--entrypoint", "python"]
    assert podman.run(IMAGE, "-c", FLAGS, options=options).split() == ["{1}"]


def test_every_package_in_it_is_pinned(podman: Podman) -> None:
    found = podman.run(IMAGE, "-c", INSTALLED, options=["--rm", "--entrypoint", "python"]).split()
    lines = (BASE_DIR / "requirements.txt").read_text().splitlines()
    pinned = {_plain(line.partition(";")[0]) for line in lines if line and line[0] != "#"}
    assert {_plain(one) for one in found} <= pinned


def _plain(requirement: str) -> str:
    """`name==1.0` of `Na_me==1.0+cpu`: a CPU build of torch is torch."""
    name, _, version = requirement.partition("==")
    return f"{canonicalize_name(name)}=={version.partition('+')[0]}"


def test_it_is_small_and_computes_on_the_processor(podman: Podman) -> None:
    size = int(podman("inspect", "--format", "{{.Size}}", IMAGE))
    assert size < LARGEST, f"{size / 1e9:.2f} GB"
    script = "import torch; print(torch.version.cuda)"
    options = ["--rm", "--entrypoint", "python"]
    assert podman.run(IMAGE, "-c", script, options=options).split() == ["None"]


def test_every_role_runs_as_the_hubs_user(hub: ContainedHub) -> None:
    for role in ROLES:
        running = hub.processes(role)
        assert {process.uids().real for process in running} == {UID}, role
        assert {process.gids().real for process in running} == {UID}, role


def test_a_model_is_published_compiled_and_predicts(hub: ContainedHub, tmp_path: Path) -> None:
    published(hub, "tiny", "1.0.0", tiny_onnx(tmp_path / "tiny.onnx"), task="tensor")
    found: dict[str, Any] = {}

    def compiled() -> bool:
        found.update(hub.client().get("/api/v1/models/tiny/versions/1.0.0/").json())
        return bool(found["optimisation"] == "done")

    hub.wait_until(compiled, "the variants", COMPILED_WITHIN)
    states = {row["name"]: row["state"] for row in found["variants"]}
    assert states.pop("openvino-fp32") == "ready", states
    answer = predict_json(hub.inferring(), "tiny", [[1, 2, 3, 4]])
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == [[2, 3, 4, 5]]


def test_a_program_is_converted_in_its_sandbox(hub: ContainedHub, tmp_path: Path) -> None:
    program = scripted_resnet(tmp_path)
    said = {name: json.dumps(value) for name, value in program.fields.items()}
    version = published(hub, "program", "1.0.0", program.path, task=program.task, **said)
    assert version["served_format"] == "openvino"
    answer = predict(hub.inferring(), "program", photograph("coffee.png"))
    assert answer.status_code == 200, answer.text


def test_a_batch_job_is_computed(hub: ContainedHub, tmp_path: Path) -> None:
    published(hub, "rows", "1.0.0", tiny_onnx(tmp_path / "rows.onnx"), task="tensor")
    content = json_lines([[n, 0, 0, 1] for n in range(100)])
    job = started(hub.client(), "rows", "rows.jsonl", content, output_format="jsonl")["id"]
    assert succeeded(hub, job)["done"] == 100
    assert len(rows(hub.client(), job)) == 100


def test_nothing_tried_to_write_where_it_may_not(hub: ContainedHub) -> None:
    for role in ROLES:
        wrong = [line for line in hub.said(role).splitlines() if any(w in line for w in REFUSED)]
        assert wrong == [], role


def test_every_role_ends_when_it_is_told_to(hub: ContainedHub) -> None:
    hub.podman("stop", "--time", "40", *ROLES, timeout=300)
    assert {role: hub.state(role)["ExitCode"] for role in ROLES} == dict.fromkeys(ROLES, 0)
