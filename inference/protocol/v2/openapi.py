"""The protocol over REST, and KServe's first one, as they stand in the OpenAPI schema."""

from collections.abc import Mapping
from typing import Any, Final

from inference.signature import DATATYPES

Json = dict[str, Any]

_ERRORS: Final = {
    "400": "The request is malformed, or does not fit the model.",
    "401": "There are no credentials, or bad ones.",
    "403": "The caller may see the model, but not do this.",
    "404": "There is no such model or version that the caller may see.",
    "405": "The method is another one.",
    "409": "The version is not ready, or cannot be served.",
    "413": "The body is too large.",
    "415": "The body is of another type or encoding.",
    "421": "The model is served by the replicas of another pool.",
    "422": "An encoded picture cannot be read, or the model cannot compute these inputs.",
    "503": "The hub cannot answer at the moment; try again after `Retry-After` seconds.",
    "504": "The deadline passed, or the model takes too long for these inputs.",
}
_OPEN = ("405",)
_LISTS = ("401", "405")
_OF_MODEL = ("401", "403", "404", "405", "409", "421", "503")
_WITH_BODY = ("400", "413", "415")


def paths() -> Json:
    """Every path of the protocols."""
    return {
        "/v2": {"get": _operation("server", "The server", _ref("OipServer"), _OPEN)},
        "/v2/health/live": {"get": _health("live")},
        "/v2/health/ready": {"get": _health("ready")},
        "/v2/models": {"get": _operation("models", "Models", _ref("OipModels"), _LISTS)},
        "/v2/models/stats": {
            "get": _operation("models_stats", "Statistics", _ref("OipStatistics"), _LISTS)
        },
        **_model_paths("/v2/models/{name}", "model"),
        **_model_paths("/v2/models/{name}/versions/{version}", "version"),
        "/v2/repository/index": {"post": _index()},
        "/v2/repository/models/{name}/load": {"post": _keep("load", "Load into memory")},
        "/v2/repository/models/{name}/unload": {"post": _keep("unload", "Leave memory")},
        **_v1_paths(),
    }


def _model_paths(path: str, of: str) -> Json:
    def get(what: str, summary: str, schema: str) -> Json:
        return {"get": _of_path(path, _operation(what, summary, _ref(schema), _OF_MODEL))}

    return {
        path: get(f"{of}_metadata", "What it takes and gives", "OipModel"),
        f"{path}/ready": get(f"{of}_ready", "Whether it can be called", "OipReady"),
        f"{path}/config": get(f"{of}_config", "Triton's configuration", "OipConfig"),
        f"{path}/stats": get(f"{of}_stats", "Statistics", "OipStatistics"),
        f"{path}/infer": {"post": _of_path(path, _infer(of))},
    }


def _operation(what: str, summary: str, answer: Json, errors: tuple[str, ...]) -> Json:
    return {
        "operationId": what if what.startswith("v1") else f"v2_{what}",
        "summary": summary,
        "tags": ["open inference protocol"],
        "security": [] if errors == _OPEN else [{"jwtAuth": []}, {"apiKey": []}],
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": _request_id(),
                "content": _json(answer),
            },
            **{status: _error(status) for status in errors},
        },
    }


def _of_path(path: str, operation: Json) -> Json:
    names = [name for name in ("name", "version") if f"{{{name}}}" in path]
    text = {"type": "string", "minLength": 1}
    parameters = [{"name": n, "in": "path", "required": True, "schema": text} for n in names]
    return {**operation, "parameters": [*parameters, *operation.get("parameters", [])]}


def _health(what: str) -> Json:
    return _operation(what, f"Whether the server is {what}", _ref("OipHealth"), _OPEN)


def _infer(of: str) -> Json:
    errors = (*_OF_MODEL, *_WITH_BODY, "422", "504")
    operation = _operation(f"{of}_infer", "Infer", _ref("OipInferResponse"), errors)
    octets = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    answer = operation["responses"]["200"]
    answer["content"] |= octets
    answer["headers"]["Inference-Header-Content-Length"] = {
        "schema": {"type": "integer", "minimum": 0},
        "description": "Bytes of the JSON before raw tensors.",
    }
    operation["parameters"] = [
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "schema": {"type": "integer", "minimum": 0},
            "description": "Bytes of the JSON, where raw tensors follow it.",
        },
        {
            "name": "X-Request-Timeout-Ms",
            "in": "header",
            "schema": {"type": "integer", "minimum": 1},
            "description": "Milliseconds after which the answer is of no more use.",
        },
    ]
    body = {**_json(_ref("OipInferRequest")), **octets}
    return {**operation, "requestBody": {"required": True, "content": body}}


def _index() -> Json:
    entries = {"type": "array", "items": _ref("OipIndexEntry")}
    operation = _operation("index", "Every version", entries, (*_LISTS, *_WITH_BODY))
    asked = _object({"ready": {"type": "boolean"}}, required=(), closed=False)
    return {**operation, "requestBody": {"required": False, "content": _json(asked)}}


def _keep(what: str, summary: str) -> Json:
    operation = _operation(what, summary, {"type": "object"}, (*_OF_MODEL, *_WITH_BODY))
    body = {"required": False, "content": _json({"type": "object"})}
    return _of_path("{name}", {**operation, "requestBody": body})


_V1_QUERY = [
    {"name": name, "in": "query", "schema": {"type": "string"}, "description": text}
    for name, text in {
        "version": "Answer with it, or with the newest ready one in a range such as `^1.2`.",
        "alias": "Answer with the version of this alias.",
    }.items()
]


def _v1_paths() -> Json:
    errors = (*_OF_MODEL, *_WITH_BODY, "422", "504")
    predict = _operation("v1_predict", "Predict", _ref("V1Predictions"), errors)
    body = {"required": True, "content": _json(_ref("V1Instances"))}
    predicts = _of_path("{name}", {**predict, "requestBody": body})
    predicts["parameters"] = [*predicts["parameters"], *_V1_QUERY]
    one = _operation("v1_model", "Whether it can be called", _ref("OipReady"), _OF_MODEL)
    operations = {
        "/v1/models": {"get": _operation("v1_models", "Models", _ref("OipModels"), _LISTS)},
        "/v1/models/{name}": {"get": _of_path("{name}", one)},
        "/v1/models/{name}:predict": {"post": predicts},
    }
    for path in operations.values():
        for operation in path.values():
            operation["tags"] = ["kserve v1"]
    return operations


def _error(status: str) -> Json:
    headers = _request_id()
    if status == "405":
        headers["Allow"] = {"schema": {"type": "string"}}
    if status == "503":
        headers["Retry-After"] = {"schema": {"type": "string", "pattern": "^[0-9]+$"}}
    content = _json(_ref("OipError"))
    return {"description": _ERRORS[status], "headers": headers, "content": content}


def _request_id() -> Json:
    schema = {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"}
    return {"X-Request-ID": {"schema": schema, "description": "The caller's, or a new one."}}


def schemas() -> Json:
    """Every schema that the paths name."""
    text, number = {"type": "string"}, {"type": "integer", "minimum": 0}
    texts = _array(text)
    shape = _array({"type": "integer", "minimum": -1})
    tensor = {"name": text, "datatype": _datatype(), "shape": shape}
    configured = {"name": text, "data_type": text, "dims": shape}
    return {
        "OipError": _object({"error": text}),
        "OipServer": _object({"name": text, "version": text, "extensions": texts}),
        "OipHealth": _object({"live": {"type": "boolean"}, "ready": {"type": "boolean"}}),
        "OipModels": _object({"models": texts}),
        "OipReady": _object({"name": text, "ready": {"type": "boolean"}}),
        "OipTensor": _object(tensor),
        "OipModel": _object(
            {
                "name": text,
                "versions": texts,
                "platform": text,
                "inputs": _array(_ref("OipTensor")),
                "outputs": _array(_ref("OipTensor")),
            }
        ),
        "OipConfigTensor": _object(configured),
        "OipConfig": _object(
            {
                "name": text,
                "platform": text,
                "backend": text,
                "max_batch_size": number,
                "input": _array(_ref("OipConfigTensor")),
                "output": _array(_ref("OipConfigTensor")),
            }
        ),
        "OipIndexEntry": _object({"name": text, "version": text, "state": text, "reason": text}),
        **_infer_schemas(),
        **_statistics_schemas(),
        "V1Instances": _object({"instances": {**_array({}), "minItems": 1}}, closed=False),
        "V1Predictions": _object({"predictions": _array({})}),
    }


def _infer_schemas() -> Json:
    text = {"type": "string"}
    parameters = {"type": "object"}
    shape = {**_array({"type": "integer", "minimum": 1}), "maxItems": 32}
    head = {"name": text, "datatype": _datatype(), "shape": shape}
    more = {"parameters": parameters, "data": _array({})}
    given = _object({**head, **more}, required=("name", "datatype", "shape"), closed=False)
    wanted = _object({"name": text, "parameters": parameters}, required=("name",), closed=False)
    asked = {
        "id": text,
        "parameters": parameters,
        "inputs": {**_array(_ref("OipInferInput")), "minItems": 1},
        "outputs": _array(_ref("OipRequestedOutput")),
    }
    answered = {
        "model_name": text,
        "model_version": text,
        "id": text,
        "outputs": _array(_ref("OipInferOutput")),
    }
    return {
        "OipInferInput": given,
        "OipRequestedOutput": wanted,
        "OipInferOutput": _object({**head, **more}, required=("name", "datatype", "shape")),
        "OipInferRequest": _object(asked, required=("inputs",), closed=False),
        "OipInferResponse": _object(answered, required=("model_name", "model_version", "outputs")),
    }


def _statistics_schemas() -> Json:
    text, number = {"type": "string"}, {"type": "integer", "minimum": 0}
    stages = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    entry: Json = {
        "name": text,
        "version": text,
        "last_inference": number,
        "inference_count": number,
        "execution_count": number,
        "inference_stats": _object(dict.fromkeys(stages, _ref("OipCalls"))),
        "batch_stats": _array({"type": "object"}),
    }
    return {
        "OipCalls": _object({"count": number, "ns": number}),
        "OipModelStatistics": _object(entry),
        "OipStatistics": _object({"model_stats": _array(_ref("OipModelStatistics"))}),
    }


def _object(
    properties: Mapping[str, Json], *, required: tuple[str, ...] | None = None, closed: bool = True
) -> Json:
    """An object with all of its properties, unless `required` names fewer."""
    found: Json = {"type": "object", "properties": dict(properties)}
    names = list(properties) if required is None else list(required)
    if names:
        found["required"] = names
    if closed:
        found["additionalProperties"] = False
    return found


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _datatype() -> Json:
    return {"type": "string", "enum": list(DATATYPES)}
