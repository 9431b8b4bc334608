"""How a command ends: exit codes that scripts can rely on, and what is said where it fails."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """`docs/cli.md` holds the same table."""

    OK = 0
    FAILED = 1  # refused, or it went wrong
    USAGE = 2
    DENIED = 3  # not signed in, or not allowed
    MISSING = 4
    UNREACHABLE = 5  # no answer, or a 5xx, after several attempts
    REJECTED = 6  # the version did not become ready
    WAITING = 7  # asked for, and to be approved by somebody else
    INTERRUPTED = 130


class Failure(Exception):
    """Ends the command with `code`; `status` is HTTP's, where an answer was the reason."""

    def __init__(
        self,
        message: str,
        code: Exit = Exit.FAILED,
        *,
        status: int | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        request_id: str = "",
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.errors = [dict(error) for error in errors]
        self.request_id = request_id
        self.more = more

    def line(self) -> str:
        """Everything that is known of it, in one line, and nothing twice."""
        found = "; ".join(said for error in self.errors if (said := self._said(error)))
        return " ".join(" ".join(filter(None, (self.message, found))).split())

    def _said(self, error: Mapping[str, Any]) -> str:
        field, detail = (str(error.get(name) or "") for name in ("field", "detail"))
        if detail and detail in self.message:
            return ""
        return ": ".join(filter(None, (field, detail)))

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"error": self.message, "exit": int(self.code)}
        known = {"status": self.status, "errors": self.errors, "request_id": self.request_id}
        return body | {name: value for name, value in known.items() if value} | self.more


_BY_STATUS = {401: Exit.DENIED, 403: Exit.DENIED, 404: Exit.MISSING}


def of_status(status: int, message: str, **more: Any) -> Failure:
    """The failure that an HTTP status means."""
    code = _BY_STATUS.get(status, Exit.UNREACHABLE if status >= 500 else Exit.FAILED)
    return Failure(message, code, status=status, **more)
