"""The models as a repository, over REST: what there is, and what is in memory."""

from typing import Any

import orjson

from aihub.access import Action
from aihub.problems import N_, Problem
from inference.protocol.calls import Call
from inference.protocol.responses import Response
from inference.protocol.serving import Admitted, admit, evict, prefetch
from inference.protocol.v2 import body
from inference.protocol.v2.models import plain, visible
from inference.protocol.v2.paths import Target
from inference.routing import READY, ModelRoute


async def index(call: Call, target: Target) -> Response:
    """Every version of every model that the caller may see; only those ready if so asked."""
    routes = await visible(call)
    asked = await _object(call)
    only_ready = asked.get("ready", False)
    if type(only_ready) is not bool:
        raise Problem(400, N_("“%(name)s” must be true or false."), name="ready")
    entries = [entry for route in routes for entry in index_entries(route)]
    return plain([e for e in entries if e["state"] == "READY" or not only_ready])


async def load(call: Call, target: Target) -> Response:
    """Have the model in memory when this answers."""
    admitted = await _publisher(call, target)
    await _object(call)
    await prefetch(call.services, admitted)
    return plain({})


async def unload(call: Call, target: Target) -> Response:
    """Have the model leave memory, unless it is in use; the next call loads it again."""
    admitted = await _publisher(call, target)
    await _object(call)
    await evict(call.services, admitted)
    return plain({})


def index_entries(route: ModelRoute) -> list[dict[str, str]]:
    """The model's versions in semantic order, with the state that the protocol knows."""
    versions = sorted(route.versions.values(), key=lambda version: version.sort_key)
    return [
        {
            "name": route.name,
            "version": version.version,
            "state": "READY" if version.state == READY else "UNAVAILABLE",
            "reason": "" if version.state == READY else version.state,
        }
        for version in versions
    ]


async def _publisher(call: Call, target: Target) -> Admitted:
    admitted = await admit(call.services, call.request.headers, target.name, action=Action.PUBLISH)
    call.admitted(admitted)
    return admitted


async def _object(call: Call) -> dict[str, Any]:
    """The body, which may be empty. Its parameters are Triton's own and change nothing here."""
    body.check_head(call.request, call.services)
    content = await body.read_body(call.request, call.services)
    try:
        value = orjson.loads(content) if content else {}
    except orjson.JSONDecodeError as error:
        raise Problem(400, N_("The body is not JSON: %(error)s."), error=str(error)) from None
    if type(value) is not dict:
        raise Problem(400, N_("The body must be a JSON object."))
    return value
