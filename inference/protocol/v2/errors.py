"""Problems in the protocol's shape: `{"error": "…"}`, one sentence after the other."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from aihub.problems import Problem
from inference.protocol.responses import Response, told

Words = Callable[[str], str]


def error_response(problem: Problem, words: Words) -> Response:
    """The problem with its findings, in the caller's language."""
    content = orjson.dumps({"error": error_text(problem, words)})
    return Response(problem.status, content, headers=problem.headers)


def error_text(problem: Problem, words: Words = str) -> str:
    """The problem and its findings, one sentence after the other."""
    findings = (_finding(told(error, words)) for error in problem.errors)
    return " ".join([problem.detail(words), *findings])


def _finding(error: Mapping[str, Any]) -> str:
    index = f"[{error['index']}]" if "index" in error else ""
    return f"{error['field']}{index}: {error['detail']}"
