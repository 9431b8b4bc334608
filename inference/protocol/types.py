"""What the protocol's modules share: ASGI's types, and what composition hands in."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aihub.access import Principal
from inference.engine.pool import Pool
from inference.routing import Routes

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[bytes, bytes]

Authenticate = Callable[[dict[bytes, bytes]], Principal]  # raises Problem 401
Freshen = Callable[[], Awaitable[None]]  # brings routes and identities up to date, if it can
Translate = Callable[[str], Callable[[str], str]]  # by Accept-Language


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request: bytes of its body, images in it, pixels of an image."""

    body: int
    items: int
    pixels: int


@dataclass(frozen=True, slots=True)
class Services:
    """What answering a prediction needs. `routes` gives the routing table of the moment."""

    authenticate: Authenticate
    routes: Callable[[], Routes]
    pool: Pool
    limits: Limits
    freshen: Freshen
    workers: ThreadPoolExecutor  # for decoding: work that would hold up the loop
