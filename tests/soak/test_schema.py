"""The OpenAPI schema, tried from its own text: no 5xx, and no answer that it does not describe."""

import subprocess
import sys
from pathlib import Path

import pytest
import schemathesis

from tests.contract.calls import API, predict, predict_json, publish, set_alias
from tests.contract.making import SMALL, photograph, state_dict_file, tiny_onnx
from tests.hub import Hub

EXAMPLES = 10  # an operation
WITHIN = 280  # seconds: there are many operations, and the machine may be busy
pytestmark = pytest.mark.timeout(WITHIN + 20)
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "unsupported_method"),
    *("allow_header_conformance", "missing_required_header", "ignored_auth"),
)
THERE = """
[parameters]
"path.name" = "{name}"
"path.version" = "1.0.0"
"path.alias" = "production"
"path.file" = "rows.jsonl"
"""


@pytest.fixture(scope="module")
def models(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model of arrays and a classifier of images, in production."""
    folder = tmp_path_factory.mktemp("schema")
    files = {
        "fuzzed-arrays": (tiny_onnx(folder / "tiny.onnx"), {"task": "tensor"}),
        "fuzzed-images": (state_dict_file(folder / "resnet.pth"), SMALL),
    }
    client = hub.client()
    for name, (file, fields) in files.items():
        assert publish(client, name, "1.0.0", file, **fields).status_code == 202
    for name in files:
        hub.wait_ready(name, "1.0.0")
        set_alias(client, name, "production", "1.0.0")
        sample = {"file": ("rows.jsonl", b"[0, 1, 2, 3]")}
        answer = client.post(f"{API}/models/{name}/samples/", files=sample)
        assert answer.status_code == 201, answer.text
    return "fuzzed-arrays", "fuzzed-images"


def fuzz(hub: Hub, config: Path, *options: str) -> None:
    """Try every operation, the same cases every time; what it found is shown."""
    command = (
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)),
        *("--no-color", "run", f"{hub.url}/api/schema/?format=json"),
        *("--header", f"Authorization: {hub.client().headers['Authorization']}"),
        *("--max-examples", str(EXAMPLES), "--seed", "1"),
        *("--checks", ",".join(CHECKS), "--continue-on-failure", "--workers", "2"),
        *("--generation-deterministic", "--suppress-health-check", "all"),
        *("--warnings", "off", *options),
    )
    done = subprocess.run(
        command, cwd=config.parent, capture_output=True, text=True, timeout=WITHIN, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


def test_names_that_nobody_knows_do_no_harm(hub: Hub, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text("")
    fuzz(hub, config, "--phases", "fuzzing")


def test_a_model_that_is_there_is_answered_for_as_the_schema_says(
    hub: Hub, models: tuple[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(THERE.format(name=models[0]))
    fuzz(hub, config, "--phases", "coverage,fuzzing", "--exclude-method", "DELETE")


def test_a_classifier_of_images_answers_as_the_schema_says(
    hub: Hub, models: tuple[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(THERE.format(name=models[1]))
    fuzz(hub, config, "--phases", "coverage,fuzzing", "--include-path-regex", "/predict/")


def test_what_succeeds_is_described_too(hub: Hub, models: tuple[str, str]) -> None:
    schema = schemathesis.openapi.from_url(f"{hub.url}/api/schema/?format=json")
    client, (arrays, images) = hub.client(), models
    predictions = schema[f"{API}/models/{{name}}/predict/"]["POST"]
    for answer in (
        predict_json(client, arrays, [[0, 1, 2, 3]]),
        predict(client, images, photograph("coffee.png"), photograph("rocket.jpg"), top=3),
    ):
        assert answer.status_code == 200, answer.text
        answer.request.read()  # the validator wants to see what was sent
        predictions.validate_response(answer)
    paths = {
        "/models/": "/models/",
        "/models/{name}/": f"/models/{images}/",
        "/models/{name}/versions/": f"/models/{images}/versions/",
        "/models/{name}/versions/{version}/": f"/models/{images}/versions/1.0.0/",
        "/models/{name}/samples/": f"/models/{images}/samples/",
        "/models/{name}/samples/{file}/": f"/models/{images}/samples/rows.jsonl/",
        "/models/{name}/aliases/{alias}/": f"/models/{images}/aliases/production/",
        "/models/{name}/aliases/": f"/models/{images}/aliases/",
        "/models/{name}/aliases/{alias}/history/": f"/models/{images}/aliases/production/history/",
        "/approvals/": "/approvals/",
        "/audit/": "/audit/",
        "/api-keys/": "/api-keys/",
        "/webhooks/": "/webhooks/",
    }
    for path, real in paths.items():
        answer = client.get(API + real)
        assert answer.status_code == 200
        schema[API + path]["GET"].validate_response(answer)


def test_every_operation_is_there(hub: Hub) -> None:
    document = hub.anonymous().get("/api/schema/?format=json").json()
    assert document["openapi"].startswith("3.")
    assert f"{API}/models/{{name}}/predict/" in document["paths"]
    assert f"{API}/models/{{name}}/versions/" in document["paths"]
    page = hub.anonymous().get("/api/docs/")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://github.com", "")
