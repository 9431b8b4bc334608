"""Starting and stopping with the server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from inference.engine.batching import BatchLimits
from inference.engine.engine import Engine
from inference.engine.pool import Pool
from inference.protocol.app import InferApp
from inference.protocol.types import Services
from inference.routing import Routes
from tests.inference.door import LIMITS, authenticate, translate


def app(log: list[str], failure: Exception | None = None) -> InferApp:
    async def freshen() -> None:
        raise AssertionError("nobody asked")

    async def startup() -> None:
        log.append("startup")
        if failure:
            raise failure

    async def shutdown() -> None:
        log.append("shutdown")

    def prepare(version_id: int, variant: object) -> Any:
        raise AssertionError

    pool = Pool(prepare, budget=1, limits=BatchLimits())
    services = Services(
        authenticate=authenticate,
        engine=Engine(pool, Routes),
        limits=LIMITS,
        freshen=freshen,
        workers=ThreadPoolExecutor(1),
    )
    return InferApp(
        services,
        translate=translate,
        log=lambda *line: None,
        startup=startup,
        shutdown=shutdown,
    )


async def live(application: InferApp) -> list[str]:
    messages = iter(["lifespan.startup", "lifespan.shutdown"])
    answers: list[str] = []

    async def receive() -> Any:
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        answers.append(message["type"])

    await application({"type": "lifespan"}, receive, send)
    return answers


def test_it_starts_and_stops_with_the_server() -> None:
    log: list[str] = []
    answers = asyncio.run(live(app(log)))
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert log == ["startup", "shutdown"]


def test_it_says_that_it_could_not_start() -> None:
    assert asyncio.run(live(app([], OSError("away")))) == ["lifespan.startup.failed"]


def test_it_closes_web_sockets() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app([])({"type": "websocket"}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
