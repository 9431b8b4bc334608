"""Kong's file, as far as it can be judged without a Kong: its format, its router, its numbers."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from aihub import env
from aihub.env import BASE_DIR
from aihub.settings import BODY_MAX, BODY_MAX_AT, PART_MAX, SIMPLE_JWT
from tests.k8s.manifests import objects_of
from tests.ops.stack.compose import services
from tests.ops.stack.gateway_rules import OF_GRPC, RULES, Rule
from tests.ops.stack.kong_router import Match, all_routes, plugin_of, routed

KONG = BASE_DIR / "ops" / "stack" / "kong"
SCHEMA = Path(__file__).with_name("kong.schema.yaml")
SECRET = "a|b&c\\d'e\"f #{vault://x} of thirty-two characters"
TOKEN = {"authorization": "Bearer e30.e30.x"}
KEY = {"authorization": "Api-Key aihub_00000000_x"}
CONSUMER = "- username: alpha-1\n  keyauth_credentials:\n  - key: Api-Key aihub_1\n"


def rendered(folder: Path, start: Path = KONG / "start.sh", **environ: str) -> str:
    """What start.sh makes of the file beside it; the program that it starts prints it."""
    done = subprocess.run(
        ["/bin/sh", str(start), "sh", "-c", 'cat "$KONG_DECLARATIVE_CONFIG"'],
        env={"AIHUB_SECRET_KEY": SECRET, "PATH": "/usr/bin:/bin", **environ}
        | {"KONG_DECLARATIVE_CONFIG": str(folder / "kong.yml")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def kong(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return yaml.safe_load(rendered(tmp_path_factory.mktemp("kong")))


def test_it_is_what_the_format_knows(kong: Any) -> None:
    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    assert [error.message for error in validator.iter_errors(kong)] == []


def test_names_are_unique_and_lead_somewhere(kong: Any) -> None:
    upstreams = {upstream["name"] for upstream in kong["upstreams"]}
    assert {service["host"] for service in kong["services"]} == upstreams
    names = Counter(route["name"] for route, _ in all_routes(kong))
    assert max(names.values()) == 1
    consumers = {consumer["username"] for consumer in kong["consumers"]}
    named = {
        plugin["config"]["anonymous"]
        for route, _ in all_routes(kong)
        for plugin in route.get("plugins", ())
        if "anonymous" in plugin["config"]
    }
    assert named == {"keys"}
    assert named <= consumers


def test_paths_are_sent_on_as_they_are(kong: Any) -> None:
    for route, service in all_routes(kong):
        answered_here = any(p["name"] == "request-termination" for p in route["plugins"])
        if not answered_here:
            assert route["strip_path"] is False, route["name"]
        if service and service["protocol"] == "http" and not answered_here:
            assert route["preserve_host"] is True, route["name"]
        regexes = [path[1:] for path in route["paths"] if path.startswith("~")]
        for regex in regexes:
            re.compile(regex)
            assert "(?" not in regex  # Kong's engine knows no look-around
            assert regex.endswith(("$", "$)")), "it is not anchored at its end"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.path)
def test_it_follows_the_rules(kong: Any, rule: Rule) -> None:
    for headers in ({}, TOKEN, KEY):
        match = routed(kong, "POST", rule.path, headers)
        ended = plugin_of(match, "request-termination")
        if not rule.role:
            assert ended == {"status_code": 404, "message": "There is nothing here."}
        elif rule.needs_credential and not headers:
            assert ended
            assert ended["status_code"] == 401
        else:
            assert ended is None
            assert_rule(match, rule)


def assert_rule(match: Match, rule: Rule) -> None:
    route, service = match
    assert service
    assert service["host"] == rule.role
    size = plugin_of(match, "request-size-limiting")
    assert size == {"allowed_payload_size": rule.limit, "size_unit": "bytes"}
    rate = plugin_of(match, "rate-limiting")
    assert rate
    assert rate.get("second", rate.get("minute", 0) / 60) == rule.rate
    if rule.streams or rule.role == "web":  # a token or a key chooses among routes of prediction
        unbuffered = (
            not route.get("request_buffering", True),
            not route.get("response_buffering", True),
        )
        assert unbuffered == (rule.streams in ("both", "body"), rule.streams in ("both", "answer"))


def test_a_token_is_checked_where_one_is_needed(kong: Any) -> None:
    for path in ("/v2/models/m/infer", "/v1/models/m:predict", OF_GRPC):
        jwt = plugin_of(routed(kong, "POST", path, TOKEN), "jwt")
        assert jwt
        assert "anonymous" not in jwt
        assert (jwt["key_claim_name"], jwt["claims_to_verify"]) == ("iss", ["exp"])
    (secret,) = kong["consumers"][0]["jwt_secrets"]
    assert secret["key"] == SIMPLE_JWT["ISSUER"]
    assert secret["algorithm"] == SIMPLE_JWT["ALGORITHM"]


def test_a_key_that_the_gateway_does_not_know_is_left_to_the_hub(kong: Any) -> None:
    match = routed(kong, "POST", "/v2/models/m/infer", KEY)
    key = plugin_of(match, "key-auth")
    assert key
    assert (key["key_names"], key["anonymous"]) == (["authorization"], "keys")
    assert key["hide_credentials"] is False
    assert plugin_of(match, "rate-limiting")["limit_by"] == "consumer"  # type: ignore[index]
    (strangers,) = [c for c in kong["consumers"] if c["username"] == "keys"]
    assert strangers["plugins"][0]["config"]["limit_by"] == "ip"


def test_a_body_of_unknown_length_is_refused_wherever_it_goes(kong: Any) -> None:
    """Before it is measured, which would mean keeping it: this function runs before all else."""
    for rule in RULES:
        match = routed(kong, "POST", rule.path, TOKEN)
        if plugin_of(match, "request-termination") is None:
            assert "411" in plugin_of(match, "pre-function")["access"][0]  # type: ignore[index]


def test_only_the_port_of_grpc_speaks_http2() -> None:
    """Kong would turn it on for all of its listeners."""
    said = services()["kong"]["environment"]
    assert "http2" not in said["KONG_PROXY_LISTEN"]
    assert said["KONG_NGINX_PROXY_LISTEN"].startswith("0.0.0.0:9000 http2 ")
    variables = objects_of("overlays/production").one("Deployment", "kong")["spec"]["template"]
    (container,) = variables["spec"]["containers"]
    there = {v["name"]: v.get("value") for v in container["env"]}
    for name in ("KONG_PROXY_LISTEN", "KONG_NGINX_PROXY_LISTEN", "KONG_LUA_MAX_REQ_HEADERS"):
        assert there[name] == said[name]


def test_grpc_goes_to_its_own_port(kong: Any) -> None:
    for headers in ({}, TOKEN, KEY):
        match = routed(kong, "POST", OF_GRPC, headers)
        assert match.route["protocols"] == ["grpc", "grpcs"]
        assert match.service
        assert (match.service["protocol"], match.service["host"]) == ("grpc", "infer-grpc")


def test_its_limits_are_not_below_the_hubs(kong: Any) -> None:
    defaults = env.read({"AIHUB_HOME": "/tmp"})

    def limit(path: str) -> int:
        size = plugin_of(routed(kong, "POST", path, TOKEN), "request-size-limiting")
        assert size
        return int(size["allowed_payload_size"])

    assert limit("/v2/models/m/infer") == defaults.AIHUB_PREDICT_MAX
    assert limit("/api/v1/models/") == BODY_MAX
    assert limit("/api/v1/batch-jobs/") == defaults.AIHUB_MULTIPART_MAX
    assert limit("/api/v1/uploads/1b0c/parts/3/") >= PART_MAX
    samples = ("/api/v1/models/m/versions/", "/api/v1/models/m/samples/", "/api/v1/batch-jobs/")
    for pattern, most in BODY_MAX_AT.items():
        fitting = [
            path for path in (*samples, "/api/v1/uploads/1/parts/3/") if re.fullmatch(pattern, path)
        ]
        assert fitting
        assert all(limit(path) >= most for path in fitting)


def test_replicas_are_asked_and_taken_out(kong: Any) -> None:
    for upstream in kong["upstreams"]:
        if upstream["name"] == "infer-grpc":  # nothing would ever take one back in
            assert "healthchecks" not in upstream
            continue
        active, passive = (upstream["healthchecks"][kind] for kind in ("active", "passive"))
        assert active["http_path"] == "/readyz"
        assert active["healthy"]["interval"] > 0
        assert active["unhealthy"]["interval"] > 0
        for failures in ("http_failures", "tcp_failures", "timeouts"):
            assert active["unhealthy"][failures] > 0
            assert passive["unhealthy"][failures] > 0
        assert not {503, 504} & {*passive["unhealthy"]["http_statuses"]}


def test_what_holds_everywhere(kong: Any) -> None:
    plugins = {plugin["name"]: plugin["config"] for plugin in kong["plugins"]}
    assert plugins.keys() == {"correlation-id", "prometheus", "cors"}
    assert plugins["correlation-id"]["header_name"] == "X-Request-ID"
    assert {"ETag", "X-Request-ID"} <= {*plugins["cors"]["exposed_headers"]}
    assert plugins["cors"]["credentials"] is False


def test_the_signing_key_is_filled_in_whatever_it_holds(kong: Any) -> None:
    (secret,) = kong["consumers"][0]["jwt_secrets"]
    assert secret["secret"] == SECRET
    assert "@" not in str(kong["upstreams"])


def test_it_does_not_start_without_the_signing_key(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        rendered(tmp_path, AIHUB_SECRET_KEY="")


def test_places_and_consumers_come_from_outside(tmp_path: Path) -> None:
    (tmp_path / "consumers.yml").write_text(CONSUMER)
    text = rendered(
        tmp_path,
        GATEWAY_INFER="infer-pods:8000",
        GATEWAY_CONSUMERS=str(tmp_path / "consumers.yml"),
    )
    kong = yaml.safe_load(text)
    assert kong["upstreams"][0]["targets"] == [{"target": "infer-pods:8000"}]
    assert [c["username"] for c in kong["consumers"]] == ["people", "keys", "alpha-1"]
    assert (tmp_path / "kong.yml").stat().st_mode & 0o777 == 0o600
    absent = rendered(tmp_path, GATEWAY_CONSUMERS=str(tmp_path / "none.yml"))
    assert len(yaml.safe_load(absent)["consumers"]) == 2
