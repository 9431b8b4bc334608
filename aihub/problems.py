"""Errors as RFC 9457 problem documents, for every door alike.

A `Problem` carries its message as a template and its values apart, so that the door which
answers can translate it: `Problem(404, N_("There is no model “%(name)s”."), name=name)`.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


def N_(message: str) -> str:  # noqa: N802 - what xgettext looks for
    """Mark a message for translation without translating it here."""
    return message


class Problem(Exception):
    """Something a caller can be told. `errors` holds one `{field, detail, …}` a finding."""

    def __init__(
        self,
        status: int,
        message: str,
        /,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> None:
        super().__init__(message % values if values else message)
        self.status = status
        self.message = message
        self.values = values
        self.errors = list(errors)
        self.headers = dict(headers or {})

    def detail(self, translate: Callable[[str], str] = str) -> str:
        """The message in the caller's language."""
        message = translate(self.message)
        return message % self.values if self.values else message


def document(
    status: int, detail: str, *, request_id: str, errors: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The body of a problem answer."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = list(errors)
    return body
