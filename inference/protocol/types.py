"""What the protocol's modules share: ASGI's types, and what composition hands in."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aihub.access import Principal
from inference.engine.engine import Engine
from inference.routing import ModelRoute

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
    """What answering a prediction needs."""

    authenticate: Authenticate
    engine: Engine
    limits: Limits
    freshen: Freshen
    workers: ThreadPoolExecutor  # for decoding: work that would hold up the loop
    pool: str = "*"  # of replicas: serves the models that name it, all of them with `*`

    def serves(self, route: ModelRoute) -> bool:
        """Whether the model is this replica's to serve."""
        return self.pool in ("*", route.pool)
