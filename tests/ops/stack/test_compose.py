"""docker-compose.yml: the whole hub on one machine, with nothing open that need not be."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError

from aihub import __version__, env
from aihub.env import BASE_DIR
from ops.compose.make_env import VARIABLES
from ops.launch.container import ROLES
from tests.ops.launching import wait_until
from tests.ops.stack.compose import (
    FILE,
    hub_services,
    loaded,
    local_path,
    mounts,
    runs_once,
    services,
    used,
)
from tests.ports import free_port
from tests.services import running

PARTS = {"mysql", "redis", "minio", "prometheus", "alertmanager", "grafana", "kong"}
STATE = {"mysql", "redis", "minio"}
OPEN = {"kong"}  # to everybody who reaches the machine
PINNED = re.compile(r":(v?\d+\.\d+[\w.-]*|RELEASE\.[\dTZ-]+)$")
OPTIONAL = {"TORCH_INDEX", "AIHUB_SECRET_KEY_OLD"}
# Images that write what they were told into files beside their programs.
WRITES_ITS_CONFIGURATION = {"elasticsearch", "logstash", "kibana"}
ELK = {"elasticsearch", "logstash", "kibana", "filebeat", "elasticsearch-setup", "kibana-setup"}


def each(*, once: bool = True) -> list[Any]:
    """Every service as a parameter, those that run once only if asked for."""
    found = services().items()
    return [pytest.param(one, id=name) for name, one in found if once or not runs_once(one)]


def test_it_is_what_compose_reads() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_hub_and_all_it_needs_are_there() -> None:
    plain = {name for name, one in services().items() if "profiles" not in one}
    assert plain == PARTS | set(hub_services()) | {"bucket"}
    assert set(ROLES) - {"all"} | {"migrate"} == set(hub_services())
    assert {name for name, one in services().items() if one.get("profiles") == ["elk"]} == ELK


@pytest.mark.parametrize("service", each())
def test_its_image_is_pinned(service: dict[str, Any]) -> None:
    assert PINNED.search(service["image"]), service["image"]


def test_kubernetes_runs_the_same_versions() -> None:
    ours = dict(service["image"].rsplit(":", 1) for service in services().values())
    found = {pair for path in (BASE_DIR / "k8s").rglob("*.yaml") for pair in pinned_in(path)}
    assert {name for name, _ in found} >= {"mysql", "redis", "kong", "quay.io/minio/minio"}
    assert {(name, tag) for name, tag in found if ours.get(name, tag) != tag} == set()


def pinned_in(path: Path) -> Iterator[tuple[str, str]]:
    """The images that a manifest names with a tag, and those that a kustomization gives one."""
    for document in yaml.safe_load_all(path.read_text()):
        for image in (document or {}).get("images", ()):
            yield image.get("newName", image["name"]), image["newTag"]
    yield from re.findall(r"image: (\S+):([\w.-]+)$", path.read_text(), re.MULTILINE)


def test_our_image_is_this_version() -> None:
    for service in hub_services().values():
        assert service["image"] == f"aihub:{__version__}"
        assert service["build"]["args"]["VERSION"] == __version__
        assert (BASE_DIR / service["build"]["context"] / "Dockerfile").is_file()


@pytest.mark.parametrize("service", each(once=False))
def test_its_health_is_asked(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", each())
def test_it_has_limits(service: dict[str, Any]) -> None:
    resources = service["deploy"]["resources"]
    assert {"cpus", "memory"} <= resources["limits"].keys()
    assert "memory" in resources["reservations"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("service", each())
def test_it_may_do_no_more_than_it_must(service: dict[str, Any]) -> None:
    own_folder = service["image"].split("/")[-1].split(":")[0] in WRITES_ITS_CONFIGURATION
    assert service["read_only"] is True or own_folder
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_ours_is_not_root_and_writes_to_two_places() -> None:
    for name, service in hub_services().items():
        assert service["user"] == "10001:10001", name
        writable = [where for _, where, how in mounts(service) if how != "ro"]
        places = [*writable, *(place.split(":")[0] for place in service["tmpfs"])]
        assert sorted(places) == ["/tmp", "/var/lib/aihub"], name


def test_every_variable_is_made_and_used() -> None:
    assert used().keys() == {variable.name for variable in VARIABLES}


def test_without_the_generated_file_compose_says_which_command_makes_it() -> None:
    for name, ways in used().items():
        assert ways == ({"-"} if name in OPTIONAL else {"?"}), name
    sentences = set(re.findall(r"\$\{\w+:\?([^}]*)\}", FILE.read_text()))
    assert sentences == {"run “make env” first"}


def test_no_password_stands_in_the_file() -> None:
    document = yaml.safe_load(FILE.read_text())
    for name, service in document["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|ACCESS_KEY|ROOT_USER|AUTH", variable):
                assert value.startswith("${"), f"{name}: {variable}"


@pytest.mark.parametrize("name", sorted(hub_services()))
def test_the_hub_takes_the_environment(name: str) -> None:
    said = dict(hub_services()[name]["environment"])
    assert all(isinstance(value, str) for value in said.values())
    assert env.unknown_names(said) == []
    role = name if name in ROLES else "all"
    read = env.read(said | {"AIHUB_ROLE": role})
    assert not read.embedded
    assert {read.AIHUB_PUBLIC_URL} == set(read.AIHUB_TRUSTED_ORIGINS)
    assert urlsplit(read.AIHUB_PUBLIC_URL).hostname in read.AIHUB_ALLOWED_HOSTS


def test_only_who_makes_the_administrator_knows_the_password() -> None:
    knowing = {
        n for n, one in services().items() if "AIHUB_ADMIN_PASSWORD" in one.get("environment", {})
    }
    assert knowing == {"migrate"}


def test_whatever_is_mounted_is_there() -> None:
    volumes = set()
    for name, service in services().items():
        for what, _, how in mounts(service):
            if what.startswith("."):
                assert how == "ro", f"{name}: {what}"
                assert local_path(what).exists(), f"{name}: {what}"
            elif what and not what.startswith("/"):
                volumes.add(what)
    assert volumes == set(loaded()["volumes"])


def test_who_is_waited_for_can_say_that_it_is_there() -> None:
    wanted = {True: "service_completed_successfully", False: "service_healthy"}
    for name, service in services().items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == wanted[runs_once(services()[other])], f"{name}: {other}"


def test_callers_reach_the_gateway_and_the_gateway_no_state() -> None:
    on = {name: set(service["networks"]) for name, service in services().items()}
    assert {name for name, networks in on.items() if "edge" in networks} == OPEN
    assert not on["kong"] & {"data", "logging", "outgoing", "desk"}
    assert all("data" in on[name] for name in STATE)
    assert on["mysql"] == {"data"}
    assert not any("app" in on[name] for name in ("mysql", "minio"))
    assert set().union(*on.values()) == set(loaded()["networks"])


def test_what_need_not_leave_cannot() -> None:
    networks = loaded()["networks"]
    internal = {name for name, said in networks.items() if (said or {}).get("internal")}
    assert internal == set(networks) - {"edge", "outgoing", "desk"}
    leaving = {name for name, one in services().items() if "outgoing" in one["networks"]}
    assert leaving == {"web", "worker", "alertmanager"}


def test_ports_other_than_the_gateways_are_this_machines_own() -> None:
    for name, service in services().items():
        for port in service.get("ports", ()):
            if name in OPEN:
                assert re.fullmatch(r"\d+:\d+", port)
            else:
                assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), f"{name}: {port}"
                assert "desk" in service["networks"], name
    taken = [p.split(":")[-2] for one in services().values() for p in one.get("ports", ())]
    assert len(set(taken)) == len(taken)


def test_redis_forgets_nothing_and_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    start = BASE_DIR / "ops" / "stack" / "redis" / "start.sh"
    own = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("REDISCLI_AUTH", "p")
    with running(("sh", str(start), *own), tmp_path, port):
        with pytest.raises(AuthenticationError), Redis(port=port) as stranger:
            stranger.ping()
        with Redis(port=port, password="p", decode_responses=True) as redis:
            said = redis.config_get("appendonly", "maxmemory-policy", "maxmemory")
    limit = services()["redis"]["deploy"]["resources"]["limits"]["memory"]
    assert (said["appendonly"], said["maxmemory-policy"]) == ("yes", "noeviction")
    assert 0 < int(said["maxmemory"]) < int(limit.removesuffix("m")) * 1024**2


def test_mysql_reads_its_settings() -> None:
    config = BASE_DIR / "ops" / "stack" / "mysql" / "aihub.cnf"
    command = ["/usr/sbin/mariadbd", f"--defaults-file={config}", "--verbose", "--help"]
    done = subprocess.run([*command, "--user=mysql"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(re.findall(r"^([a-z-]+) +(\S+)$", done.stdout, re.MULTILINE))
    assert said["character-set-server"] == "utf8mb4"
    assert said["transaction-isolation"] == "READ-COMMITTED"
    assert said["innodb-flush-log-at-trx-commit"] == "1"


@pytest.mark.parametrize(
    ("name", "debian"),
    [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")],
)
def test_it_starts_by_the_command_that_it_is_given(name: str, debian: str, tmp_path: Path) -> None:
    service, port = services()[name], free_port()
    places = {where: str(local_path(what)) for what, where, how in mounts(service) if how == "ro"}
    places |= {where: str(tmp_path) for _, where, how in mounts(service) if how != "ro"}
    command = [_moved(word, places) for word in service["command"]]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    with running((debian, *command), tmp_path, port):
        path = urlsplit(service["healthcheck"]["test"][-1]).path
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}{path}"), f"{name} to be ready")


def _moved(argument: str, places: dict[str, str]) -> str:
    """An option whose path lies where the container's volumes are here."""
    option, _, value = argument.partition("=")
    for where, here in places.items():
        if Path(value).is_relative_to(where):
            return f"{option}={here}{value.removeprefix(where)}"
    return argument


def _answers(url: str) -> bool:
    return httpx.get(url).status_code == 200


def test_the_bucket_is_the_hubs_and_its_key_opens_no_other() -> None:
    folder = BASE_DIR / "ops" / "stack" / "minio"
    policy = yaml.safe_load((folder / "policy.json").read_text())
    bucket = services()["bucket"]["environment"]["AIHUB_S3_BUCKET"]
    opened = {resource for one in policy["Statement"] for resource in one["Resource"]}
    assert opened == {f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"}
    assert all(one["environment"]["AIHUB_S3_BUCKET"] == bucket for one in hub_services().values())
    assert subprocess.run(["sh", "-n", folder / "bucket.sh"], check=False).returncode == 0


def test_browsers_of_the_hubs_pages_may_send_to_the_store() -> None:
    said = services()["minio"]["environment"]
    public = services()["web"]["environment"]
    assert said["MINIO_API_CORS_ALLOW_ORIGIN"] == public["AIHUB_PUBLIC_URL"]
    (port,) = services()["minio"]["ports"]
    assert public["AIHUB_S3_PUBLIC_ENDPOINT"] == f"http://localhost:{port.split(':')[1]}"
