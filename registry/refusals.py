"""Why a file cannot become a version: a reason that its owner can act on."""

from typing import Any

from aihub.problems import N_

__all__ = ["N_", "Refused"]


class Refused(Exception):
    """The content is refused. The message is a template, its values plain JSON, so that the
    reason can be kept and read in any language: `Refused(N_("%(file)s is empty."), file=path)`.
    """

    def __init__(self, message: str, /, **values: Any) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values
