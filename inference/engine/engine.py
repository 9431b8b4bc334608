"""The way through the engine: breaker, memory, queue, batch, and what to say when one says no."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aihub import stages
from aihub.metrics import Limited
from aihub.problems import N_, Problem
from inference.engine.batching import DeadlinePassed, RunnerDied
from inference.engine.breaker import Breaker
from inference.engine.fallback import fallback_of
from inference.engine.handle import Handle
from inference.engine.live import LiveRoutes
from inference.engine.pool import Pool
from inference.engine.statistics import Statistics, VersionStatistics
from inference.engine.watch import Receive, Watch
from inference.routing import ModelRoute, Routes, VersionRoute
from inference.runtimes.base import RUN_LIMIT, Arrays, TooSlow, Unfit
from inference.signature import described

LONG = 1.0  # seconds; who waits longer and leaves tells of a slow model
REPORT_EVERY = 1.0  # seconds
_TRIES = 5  # of entering a model that left memory again before its caller could


class Gone(Exception):
    """The caller left: nobody waits for an answer."""


class Ticket:
    """A place in the queue of one loaded model. `route` and `version` are what really answers."""

    __slots__ = ("_measures", "_place", "_read_at", "_watch", "degraded", "handle")

    def __init__(
        self, place: "_Place", handle: Handle, engine: "Engine", *, degraded: bool
    ) -> None:
        self.handle = handle
        self.degraded = degraded  # whether it stands in for another version
        self._measures = engine.measures
        self._read_at = 0.0
        self._place = place
        self._watch = engine.watch

    @property
    def route(self) -> ModelRoute:
        return self._place.route

    @property
    def version(self) -> VersionRoute:
        return self._place.version

    def read(self) -> None:
        """The request is read whole: what happens from now on until `run` is preprocessing."""
        self._read_at = time.monotonic()
        if (traced := stages.of_call.get()) is not None:
            traced.read = self._read_at

    async def run(
        self, inputs: Arrays, *, deadline: float | None = None, receive: Receive | None = None
    ) -> Arrays:
        """Outputs by name for a batch of inputs by name.

        `deadline` is a time of `time.monotonic`; `receive` tells when the client leaves. Raises
        Problem 422 for inputs that the model cannot compute, 503 and 504, and Gone.
        """
        started = time.monotonic()
        try:
            if deadline is not None and started >= deadline:
                raise DeadlinePassed
            at_once = self.handle.at_once(inputs)
            outputs = await (at_once or self._watch.outputs(self.handle, inputs, deadline, receive))
        except Unfit as error:
            self._record(started, inputs, failed=True)
            raise _unfit(self.handle) from error
        except DeadlinePassed:
            self._record(started, inputs, failed=False)
            raise Problem(504, N_("The deadline passed before the model answered.")) from None
        except TooSlow:
            self._record(started, inputs, failed=True)
            raise _too_slow() from None
        except RunnerDied:
            self._record(started, inputs, failed=True)
            raise _unavailable(N_("The model stopped; it is being loaded again."), 1.0) from None
        except asyncio.CancelledError:
            if time.monotonic() - started > LONG:  # most likely that is why the caller left
                self._record(started, inputs, failed=False)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise Gone from None
        except Exception:
            self._record(started, inputs, failed=True)
            raise
        self._record(started, inputs, failed=False)
        if self._read_at:
            self._measures.forms.of(self.handle.form).preprocess.observe(started - self._read_at)
        return outputs

    def leave(self) -> None:
        """Give the place back; call it once, however the call ended."""
        self.handle.leave()
        self._place.leave()

    def _record(self, started: float, inputs: Arrays, *, failed: bool) -> None:
        first = next(iter(inputs.values()))
        rows = len(first) if first.ndim else 1
        self._place.record(time.monotonic() - started, rows, failed=failed)


class _Place:
    """A version that admitted a call, and what its breaker is to learn of it, once."""

    __slots__ = ("breaker", "counted", "route", "ticket", "version")

    def __init__(
        self,
        route: ModelRoute,
        version: VersionRoute,
        breaker: Breaker,
        ticket: int,
        counted: VersionStatistics,
    ) -> None:
        self.route = route
        self.version = version
        self.breaker = breaker
        self.ticket = ticket
        self.counted = counted

    def record(self, seconds: float, rows: int, *, failed: bool) -> None:
        self.counted.record(seconds, rows, failed=failed)
        self.breaker.record(self.ticket, seconds, failed)
        self.ticket = 0

    def leave(self) -> None:
        if self.ticket:
            self.breaker.release(self.ticket)
            self.ticket = 0


class Engine:
    """Everything that runs models in one process. Belongs to one event loop."""

    def __init__(
        self,
        pool: Pool,
        routes: Callable[[], Routes],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pool = pool
        self.live = LiveRoutes(routes, pool)
        self.statistics = Statistics()
        self.measures = pool.measures
        self.measures.is_routed = self._is_routed
        self.watch = Watch()
        self._clock = clock
        self._breakers: dict[int, Breaker] = {}
        self._followed: Routes | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._report: dict[str, Any] = {"loaded": [], "breakers": [], "memory": 0}

    def routes(self) -> Routes:
        """The routes to answer by now."""
        routes = self.live.current()
        if routes is not self._followed:
            self._followed = routes
            self._follow(routes)
        return routes

    async def enter(self, route: ModelRoute, version: VersionRoute) -> Ticket:
        """A place with the version, or with what stands in for it while its breaker is open.

        Raises Problem 503 where there is none, 409 where the version cannot be served.
        """
        place = self._admitted(route, version)
        degraded = place is None
        if place is None:
            place = self._stand_in(route, version)
        try:
            handle = self._entered(self.pool.ready(place.version))
            handle = handle or await self._loaded(place.route, place.version)
        except BaseException:
            place.leave()
            raise
        if degraded:
            self.measures.fallbacks.of((route.name,)).value += 1
        return Ticket(place, handle, self, degraded=degraded)

    async def prefetch(self, route: ModelRoute, version: VersionRoute) -> None:
        """Bring a version into memory; errors as in `Pool.get`."""
        await self.pool.get(version, route.serving)

    def start(self) -> None:
        """Follow changes and report from now on."""
        self.live.start()
        self._reporting = asyncio.create_task(self._keep_reporting())

    async def stop(self) -> None:
        """Let calls under way end, then give everything back."""
        if self._reporting is not None:
            self._reporting.cancel()
        await self.live.stop()
        await self.pool.close()

    def breakers(self) -> list[tuple[str, str, Breaker]]:
        """Each breaker with its model and version, for any thread; the routes as last looked at."""
        models = self._followed.models if self._followed else {}
        return [
            (model.name, version.version, breaker)
            for model in models.values()
            for version in model.versions.values()
            if (breaker := self._breakers.get(version.id)) is not None
        ]

    def report(self) -> dict[str, Any]:
        """What is loaded and what the breakers say, for other threads: at most a moment old."""
        return self._report

    async def _keep_reporting(self) -> None:
        while True:
            self._report = self._state()
            await asyncio.sleep(REPORT_EVERY)

    def _state(self) -> dict[str, Any]:
        self.routes()
        return {
            "loaded": [_described(handle) for handle in self.pool.handles()],
            "breakers": [
                {"model": model, "version": version, **breaker.as_json()}
                for model, version, breaker in self.breakers()
            ],
            "memory": self.pool.used,
        }

    def _is_routed(self, model: str, version: str | None) -> bool:
        route = self.routes().get(model)
        if route is None or version is None:
            return route is not None
        return any(known.version == version for known in route.versions.values())

    def _breaker(self, route: ModelRoute, version: VersionRoute) -> Breaker:
        found = self._breakers.get(version.id)
        if found is None:
            found = self._breakers[version.id] = Breaker(route.serving.rules, self._clock)
            found.force(version.forced)
        return found

    def _follow(self, routes: Routes) -> None:
        """Let breakers follow what owners and operators say."""
        known: dict[int, Breaker] = {}
        for model in routes.models.values():
            for version in model.versions.values():
                breaker = self._breakers.get(version.id)
                if breaker is not None:
                    breaker.follow(model.serving.rules)
                    breaker.force(version.forced)
                    known[version.id] = breaker
        self._breakers = known

    def _admitted(self, route: ModelRoute, version: VersionRoute) -> _Place | None:
        breaker = self._breaker(route, version)
        ticket = breaker.admits()
        if not ticket:
            return None
        return _Place(route, version, breaker, ticket, self.statistics.of(version.id))

    def _stand_in(self, route: ModelRoute, version: VersionRoute) -> _Place:
        found = fallback_of(route, version, self.routes())
        place = self._admitted(*found) if found else None
        if place is None:
            raise _unavailable(
                N_("“%(model)s” %(version)s fails at the moment; its circuit breaker is open."),
                self._breaker(route, version).retry_after(),
                model=route.name,
                version=version.version,
            )
        return place

    async def _loaded(self, route: ModelRoute, version: VersionRoute) -> Handle:
        for _ in range(_TRIES):
            handle = await self.pool.get(version, route.serving)
            if self._entered(handle):
                return handle
        raise _unavailable(N_("There is no memory for the model at the moment."), 2.0)

    @staticmethod
    def _entered(handle: Handle | None) -> Handle | None:
        """The handle with one more caller; Problem 503 where its queue is full."""
        if handle is None or not handle.alive:
            return None
        if handle.full:
            raise Limited(
                "queue",
                503,
                N_("“%(model)s” has more calls than it can answer."),
                headers={"Retry-After": "1"},
                model=handle.spec.model,
            )
        handle.enter()
        return handle


def _described(handle: Handle) -> dict[str, Any]:
    return {
        "model": handle.spec.model,
        "version": handle.spec.version,
        "variant": handle.variant.name if handle.variant else "",
        "memory": handle.size,
        "in_flight": handle.calls,
    }


def _unavailable(message: str, retry_after: float, **values: Any) -> Problem:
    headers = {"Retry-After": str(max(1, round(retry_after)))}
    return Problem(503, message, headers=headers, **values)


def _unfit(handle: Handle) -> Problem:
    return Problem(
        422,
        N_("The model cannot compute these inputs. It takes %(inputs)s."),
        inputs=described(handle.signature.inputs),
    )


def _too_slow() -> Problem:
    return Problem(
        504,
        N_("The model took longer than %(limit)s seconds for these inputs."),
        limit=round(RUN_LIMIT),
    )
