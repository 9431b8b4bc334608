"""Prediction in the OpenAPI schema, and answers that keep to it."""

from typing import Any

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from inference.openapi import PATH
from tests.inference.door import Door
from tests.inference.samples import photo


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_schema_is_valid(schema: Any) -> None:
    validate_schema(schema)


def test_prediction_stands_in_the_schema(schema: Any) -> None:
    operation = schema["paths"][PATH]["post"]
    wanted = {"200", "400", "401", "403", "404", "405", "409", "413", "415", "422", "503"}
    assert wanted <= set(operation["responses"])
    assert set(operation["requestBody"]["content"]) == {"multipart/form-data", "application/json"}


def test_it_signs_in_like_every_other_operation(schema: Any) -> None:
    schemes = {name for way in schema["paths"][PATH]["post"]["security"] for name in way}
    assert schemes <= set(schema["components"]["securitySchemes"])


@pytest.mark.parametrize(
    ("model", "request_", "status"),
    [
        ("lite", {"files": {"image": photo("chelsea.png")}}, 200),
        ("rows", {"json": {"inputs": [[1, 2, 3, 4]]}}, 200),
        ("two", {"json": {"inputs": {"a": [[1, 2]], "b": [[1, 2]]}}}, 200),
        ("lite", {"files": {"image": b"x"}}, 422),
        ("lite", {"files": {"file": b"x"}}, 400),
        ("none", {"json": {}}, 404),
    ],
)
def test_answers_keep_to_the_schema(
    schema: Any, door: Door, model: str, request_: dict[str, Any], status: int
) -> None:
    response = door.predict(model, **request_)
    assert response.status_code == status
    described = schema["paths"][PATH]["post"]["responses"][str(status)]["content"]
    kind = response.headers["content-type"]
    jsonschema.validate(response.json(), {**described[kind]["schema"], **_components(schema)})


def _components(schema: Any) -> dict[str, Any]:
    return {"components": schema["components"]}
