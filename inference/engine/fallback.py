"""What answers in place of a version whose breaker is open: one step, never a chain."""

from inference.routing import READY, ModelRoute, Routes, VersionRoute

Fallen = tuple[ModelRoute, VersionRoute]


def fallback_of(route: ModelRoute, version: VersionRoute, routes: Routes) -> Fallen | None:
    """The model and version that the owner named for this, None where nothing may answer.

    Another model stands in where it takes the same kind of input, runs on the same replicas, and
    is the same team's or shared: the owner who named it could not lend what is not theirs, so the
    caller's own right to it is not asked for.
    """
    fallback = route.serving.fallback
    if fallback.kind == "previous":
        return _previous(route, version)
    other = routes.get(fallback.model) if fallback.kind == "model" else None
    if other is None or not _may_stand_in(other, route):
        return None
    found = other.default
    return (other, found) if found and found.state == READY and found.id != version.id else None


def _previous(route: ModelRoute, version: VersionRoute) -> Fallen | None:
    """The next lower version that is ready, in semantic order."""
    lower = (
        other
        for other in route.versions.values()
        if other.state == READY and other.sort_key < version.sort_key
    )
    found = max(lower, key=lambda other: other.sort_key, default=None)
    return (route, found) if found else None


def _may_stand_in(other: ModelRoute, route: ModelRoute) -> bool:
    owned = other.team_id == route.team_id or other.shared
    return owned and other.task == route.task and other.pool == route.pool
