"""How Kong 3 chooses a route (`router_flavor = traditional_compatible`), as its documents say.

A route is tried for each group of its paths. The order: how many kinds of criteria it has; how many
headers; regular expressions before prefixes, by their priority; then the longest prefix.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Route = Mapping[str, Any]
Priority = tuple[int, int, bool, int, int]


class Match(NamedTuple):
    """The route that was chosen, and the service that it belongs to (None where to none)."""

    route: Route
    service: Route | None


def routed(file: Route, method: str, path: str, headers: Mapping[str, str]) -> Match:
    """The route of a request, and its service; two that are equally good are a mistake."""
    found = [
        (_priority(route, pattern), route, service)
        for route, service in all_routes(file)
        for pattern in route["paths"]
        if _path_fits(pattern, path) and _fits(route, method, headers)
    ]
    best = max(priority for priority, _, _ in found)
    chosen = [(route, service) for priority, route, service in found if priority == best]
    assert len({route["name"] for route, _ in chosen}) == 1, [r["name"] for r, _ in chosen]
    return Match(*chosen[0])


def all_routes(file: Route) -> Iterator[tuple[Route, Route | None]]:
    """Every route with its service."""
    for service in file["services"]:
        for route in service["routes"]:
            yield route, service
    for route in file["routes"]:
        yield route, None


def plugin_of(match: Match, name: str) -> Mapping[str, Any] | None:
    """The settings of a plugin there: the route's own before its service's."""
    for owner in match:
        for plugin in (owner or {}).get("plugins", ()):
            if plugin["name"] == name:
                config: Mapping[str, Any] = plugin["config"]
                return config
    return None


def _priority(route: Route, pattern: str) -> Priority:
    kinds = sum(bool(route.get(kind)) for kind in ("methods", "hosts", "headers", "paths"))
    headers = len(route.get("headers", ()))
    if pattern.startswith("~"):
        return kinds, headers, True, route.get("regex_priority", 0), 0
    return kinds, headers, False, 0, len(pattern)


def _path_fits(pattern: str, path: str) -> bool:
    """A regular expression is anchored at its beginning alone."""
    if pattern.startswith("~"):
        return re.match(pattern[1:], path) is not None
    return path.startswith(pattern)


def _fits(route: Route, method: str, headers: Mapping[str, str]) -> bool:
    if "methods" in route and method not in route["methods"]:
        return False
    return all(
        any(_value_fits(value, headers.get(name, "")) for value in values)
        for name, values in route.get("headers", {}).items()
    )


def _value_fits(wanted: str, value: str) -> bool:
    """Both are compared in lower case; `~*` begins a regular expression."""
    if wanted.startswith("~*"):
        return re.search(wanted[2:].lower(), value.lower()) is not None
    return wanted.lower() == value.lower()
