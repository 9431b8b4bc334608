"""The OpenAPI schema's last touch: problem answers, the same for every operation."""

from typing import Any

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    },
}
STATUSES = {
    "400": "The request does not fit.",
    "401": "No valid credentials.",
    "403": "A right is missing.",
    "404": "Nothing here, or nothing that the caller may see.",
    "405": "The method is not allowed.",
    "406": "No such representation.",
    "409": "The state does not allow it.",
    "411": "The body's length is missing.",
    "413": "Too large.",
    "415": "The content type is not supported.",
    "422": "The content cannot be accepted.",
    "429": "Too often; see Retry-After.",
    "503": "Something it needs does not answer; see Retry-After.",
}
_METHODS = {"get", "put", "post", "patch", "delete"}


def add_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Give every operation the problem answers that it does not describe itself."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for path in result["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                for status, description in STATUSES.items():
                    operation["responses"].setdefault(status, _answer(description))
    return result


def _answer(description: str) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": reference}},
    }
