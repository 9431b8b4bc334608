"""One call over HTTP: what is asked, and what becomes known of it on the way to its answer."""

from dataclasses import dataclass

from aihub.access import Principal
from inference.protocol.requests import Request
from inference.protocol.types import Services


@dataclass(slots=True)
class Call:
    """`started` is a time of `time.perf_counter`; `model` is the name of one that there is."""

    request: Request
    services: Services
    started: float
    principal: Principal | None = None
    model: str = ""
    version: str = ""
    items: int = 0
