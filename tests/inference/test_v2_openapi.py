"""The Open Inference Protocol in the OpenAPI schema, and answers that keep to it."""

import base64
from typing import Any

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator

from inference.protocol.v2.app import ENDPOINTS
from inference.protocol.v2.paths import target_of
from tests.inference import oip
from tests.inference.door import Door
from tests.inference.samples import photo

ROW = {"inputs": [oip.fp32("x", [[1, 2, 3, 4]])]}
MODEL, VERSION = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
V1 = "/v1/models/{name}:predict"


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_every_operation_stands_in_the_schema(schema: Any) -> None:
    described = {
        (target.what, next(iter(operations)).upper())
        for path, operations in schema["paths"].items()
        if path.startswith("/v2") and (target := target_of(path))
    }
    assert described == {(what, method) for what, (method, _) in ENDPOINTS.items()}


def test_operations_have_names_of_their_own(schema: Any) -> None:
    names = [o["operationId"] for path in schema["paths"].values() for o in path.values()]
    assert len(names) == len(set(names))


def picture(content: bytes) -> dict[str, Any]:
    data = [base64.b64encode(content).decode()]
    return {"inputs": [{"name": "input", "datatype": "BYTES", "shape": [1], "data": data}]}


@pytest.mark.parametrize(
    ("method", "path", "name", "body", "status"),
    [
        ("GET", "/v2", "", None, 200),
        ("GET", "/v2/health/live", "", None, 200),
        ("GET", "/v2/health/ready", "", None, 200),
        ("GET", "/v2/models", "", None, 200),
        ("GET", "/v2/models/stats", "", None, 200),
        ("GET", MODEL, "two", None, 200),
        ("GET", f"{MODEL}/ready", "two", None, 200),
        ("GET", f"{MODEL}/ready", "waiting", None, 409),
        ("GET", f"{MODEL}/config", "lite", None, 200),
        ("GET", f"{VERSION}/stats", "lite", None, 200),
        ("POST", f"{MODEL}/infer", "rows", ROW, 200),
        ("POST", f"{VERSION}/infer", "lite", picture(photo("coffee.png")), 200),
        ("POST", f"{VERSION}/infer", "lite", picture(b"no picture"), 422),
        ("POST", f"{MODEL}/infer", "rows", {}, 400),
        ("POST", f"{MODEL}/infer", "lost", ROW, 503),
        ("POST", f"{MODEL}/infer", "none", ROW, 404),
        ("POST", "/v2/repository/index", "", {}, 200),
        ("POST", "/v2/repository/models/{name}/load", "two", {}, 403),
        ("GET", "/v1/models", "", None, 200),
        ("GET", "/v1/models/{name}", "two", None, 200),
        ("POST", V1, "rows", {"instances": [[1, 2, 3, 4]]}, 200),
        ("POST", V1, "rows", {"instances": [[1]]}, 422),
    ],
)
def test_answers_keep_to_the_schema(
    schema: Any, door: Door, method: str, path: str, name: str, body: Any, status: int
) -> None:
    real = path.format(name=name, version="1.0.0")
    answer = door.request(method, real, **({} if body is None else {"json": body}))
    assert answer.status_code == status
    operation = schema["paths"][path][method.lower()]
    described = operation["responses"][str(status)]["content"]
    kind = described[answer.headers["content-type"]]["schema"]
    jsonschema.validate(answer.json(), {**kind, "components": schema["components"]})
    if body and status == 200:
        kind = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(body, {**kind, "components": schema["components"]})
