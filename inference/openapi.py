"""Prediction in the OpenAPI schema: a raw ASGI application, so DRF does not know of it."""

from typing import Any

from inference.protocol.v2 import openapi as v2

PATH = "/api/v1/models/{name}/predict/"

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PROBLEMS = {
    "400": "The query, the JSON or the multipart body is malformed.",
    "401": "There are no credentials, or bad ones.",
    "403": "The caller may see the model, but not call it.",
    "404": "There is no such model, version or alias that the caller may see.",
    "405": "The method is not POST.",
    "409": "The version is not ready, or none is.",
    "413": "The body is too large.",
    "415": "The body is neither JSON nor multipart, or the model takes no images.",
    "422": "An image cannot be read, or an input does not fit the model.",
    "504": "The model takes too long for these inputs.",
    "503": "The model cannot be loaded at the moment; try again after `Retry-After` seconds.",
}


def add_prediction(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """drf-spectacular's hook: add the paths and their schemas."""
    result["paths"] |= {PATH: {"post": _operation()}, **v2.paths()}
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Prediction"] = _prediction()
    schemas["ClassScore"] = _class_score()
    schemas |= v2.schemas()
    return result


def _operation() -> dict[str, Any]:
    return {
        "operationId": "models_predict",
        "summary": "Predict",
        "description": (
            "Answers with the version or alias that is named, by default with the alias "
            "`production`, else with the newest ready version. A classifier of images takes "
            "files, base64 texts, or preprocessed arrays [N, C, H, W]; any other model takes "
            "the arrays of its signature."
        ),
        "tags": ["predict"],
        "parameters": _parameters(),
        "requestBody": {"required": True, "content": _bodies()},
        "security": [{"jwtAuth": []}, {"apiKey": []}],
        "responses": {"200": _answer(), **{s: _problem(s) for s in _PROBLEMS}},
    }


def _parameters() -> list[dict[str, Any]]:
    name = {"type": "string", "minLength": 1}
    return [
        {"name": "name", "in": "path", "required": True, "schema": name},
        _query(
            "version",
            {"type": "string"},
            "Answer with this version, or with the newest ready one in a range such as `^1.2`.",
        ),
        _query("alias", {"type": "string"}, "Answer with the version of this alias."),
        _query(
            "top",
            {"type": "integer", "minimum": 1, "maximum": 999_999_999},
            "How many classes to name for each image: 5 unless given, and at most all of them.",
        ),
    ]


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _bodies() -> dict[str, Any]:
    image = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"image": {"type": "array", "items": image, "minItems": 1}},
        "required": ["image"],
        "additionalProperties": False,
    }
    inputs = {
        "description": "Base64 texts or `data:` URLs, an array, or arrays by input name.",
        "oneOf": [{"type": "array", "items": {}, "minItems": 1}, {"type": "object"}],
    }
    json = {
        "type": "object",
        "properties": {"inputs": inputs},
        "required": ["inputs"],
        "additionalProperties": False,
    }
    return {"multipart/form-data": {"schema": form}, "application/json": {"schema": json}}


def _answer() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Prediction"}
    return {
        "description": "One prediction for each input, in order.",
        "headers": _request_id(),
        "content": {"application/json": {"schema": schema}},
    }


def _problem(status: str) -> dict[str, Any]:
    headers = _request_id()
    if status == "405":
        headers["Allow"] = {"schema": {"type": "string"}}
    if status == "503":
        headers["Retry-After"] = {"schema": {"type": "string", "pattern": "^[0-9]+$"}}
    return {"description": _PROBLEMS[status], "headers": headers, "content": _PROBLEM}


def _request_id() -> dict[str, Any]:
    schema = {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"}
    return {"X-Request-ID": {"schema": schema, "description": "The caller's, or a new one."}}


def _prediction() -> dict[str, Any]:
    ranked = {"type": "array", "items": {"$ref": "#/components/schemas/ClassScore"}, "minItems": 1}
    row = {"description": "The output row of a model that is no classifier of images."}
    return {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "version": {"type": "string"},
            "predictions": {
                "type": "array",
                "items": {"anyOf": [ranked, row]},
                "description": "For each image its classes, best first.",
            },
            "latency_ms": {"type": "number", "minimum": 0},
        },
        "required": ["model", "version", "predictions", "latency_ms"],
        "additionalProperties": False,
    }


def _class_score() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "label": {"type": "string"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "required": ["label", "score"],
        "additionalProperties": False,
    }
