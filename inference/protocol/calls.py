"""One call over HTTP: what is asked, and what becomes known of it on the way to its answer."""

from dataclasses import dataclass

from inference.protocol.asked import Asked
from inference.protocol.requests import Request
from inference.protocol.types import Services


@dataclass(slots=True)
class Call(Asked):
    """`started` is a time of `time.perf_counter`."""

    request: Request
    services: Services
    started: float
