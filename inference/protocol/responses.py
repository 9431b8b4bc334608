"""Answers: JSON bodies and problem documents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from aihub import problems
from aihub.problems import Problem
from inference.protocol.requests import JSON
from inference.protocol.types import Send


@dataclass(slots=True)
class Response:
    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, send: Send, request_id: str) -> None:
        headers = [
            (b"content-type", self.content_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            (b"x-request-id", request_id.encode()),
        ]
        headers += [(n.lower().encode(), v.encode("latin-1")) for n, v in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(content: Mapping[str, Any]) -> Response:
    """200 with NumPy values as numbers; NaN and infinity, which JSON lacks, become null."""
    return Response(200, orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))


def problem_response(
    problem: Problem, request_id: str, translate: Callable[[str], str]
) -> Response:
    """The problem in the caller's language."""
    document = problems.document(
        problem.status,
        problem.detail(translate),
        request_id=request_id,
        errors=[told(error, translate) for error in problem.errors],
    )
    return Response(problem.status, orjson.dumps(document), problems.CONTENT_TYPE, problem.headers)


def told(error: Mapping[str, Any], translate: Callable[[str], str]) -> dict[str, Any]:
    """A finding whose detail may be an exception that carries a template and its values."""
    detail = error["detail"]
    if not isinstance(detail, str):
        template = translate(detail.message)
        detail = template % detail.values if detail.values else template
    return {**error, "detail": detail}
