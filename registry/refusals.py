"""Why a file cannot become a version: a reason that its owner can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aihub.problems import N_

__all__ = ["N_", "Refused", "in_layer"]


class Refused(Exception):
    """The content is refused. The message is a template, its values plain JSON, so that the
    reason can be kept and read in any language: `Refused(N_("%(file)s is empty."), file=path)`.
    `layer` is that of the checks which refused (see `in_layer`), empty where it is not known.
    """

    layer = ""

    def __init__(self, message: str, /, **values: Any) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values


@contextmanager
def in_layer(name: str) -> Iterator[None]:
    """Have what is refused within say which layer refused it; the innermost one counts."""
    try:
        yield
    except Refused as refused:
        refused.layer = refused.layer or name
        raise
