"""The protocol's paths: what is asked, of which model, of which version."""

from typing import NamedTuple


class Target(NamedTuple):
    """`what` is the end of the path that names the operation, as in `ENDPOINTS`."""

    what: str
    name: str = ""
    version: str | None = None


_PLAIN = frozenset({"", "health/live", "health/ready", "models", "models/stats"}) | {
    "repository/index"
}
_OF_MODELS = frozenset({"", "ready", "infer", "config", "stats"})
_OF_REPOSITORY = frozenset({"load", "unload"})
_PREFIX = "/v2"


def handles(path: str) -> bool:
    """Whether a path is this protocol's, known or not."""
    return path == _PREFIX or path.startswith(_PREFIX + "/")


def target_of(path: str) -> Target | None:
    """What a path under `/v2` asks for; None for what is not there. One last slash is ignored."""
    rest = path[len(_PREFIX) + 1 :].removesuffix("/")
    if rest in _PLAIN:
        return Target(rest)
    match rest.split("/"):
        case ["models", name, *more] if name:
            return _of_model(name, more)
        case ["repository", "models", name, action] if name and action in _OF_REPOSITORY:
            return Target(action, name)
    return None


def _of_model(name: str, more: list[str]) -> Target | None:
    version = None
    if len(more) > 1 and more[0] == "versions" and more[1]:
        version, more = more[1], more[2:]
    what = more[0] if more else ""
    if len(more) > 1 or what not in _OF_MODELS:
        return None
    return Target(f"model/{what}" if what else "model", name, version)
