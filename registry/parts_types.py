"""What is said of parts, whatever store they lie in."""

from dataclasses import dataclass

URL_SECONDS = 3600  # how long a part's URL holds
STAGED = "uploads/"


@dataclass(frozen=True, slots=True)
class Part:
    """A part that arrived; `etag` is without quotes."""

    number: int
    size: int
    etag: str


class PartsLost(Exception):
    """The store knows of no such parts: joined, aborted, or lost."""
