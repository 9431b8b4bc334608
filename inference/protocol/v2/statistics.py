"""What was counted of each version, in the words of Triton's statistics extension."""

from typing import Any

from inference.engine.engine import Engine
from inference.engine.statistics import Calls
from inference.routing import READY, ModelRoute, VersionRoute

_UNMEASURED = ("queue", "compute_input", "compute_infer", "compute_output")
_NONE = {"count": 0, "ns": 0}


def model_statistics(
    engine: Engine, route: ModelRoute, version: VersionRoute | None = None
) -> list[dict[str, Any]]:
    """Of one version, or of each that is ready. Counts are this process's, since it started."""
    if version is not None:
        return [_version(engine, route, version)]
    ready = (version for version in route.versions.values() if version.state == READY)
    versions = sorted(ready, key=lambda version: version.sort_key)
    return [_version(engine, route, version) for version in versions]


def _version(engine: Engine, route: ModelRoute, version: VersionRoute) -> dict[str, Any]:
    """Stages of a call are not measured apart: they count nothing."""
    counted = engine.statistics.of(version.id)
    calls = {"success": _calls(counted.success), "fail": _calls(counted.fail)}
    return {
        "name": route.name,
        "version": version.version,
        "last_inference": counted.last_ms,
        "inference_count": counted.rows,
        "execution_count": counted.success.count,
        "inference_stats": {**calls, **dict.fromkeys(_UNMEASURED, _NONE)},
        "batch_stats": [],
    }


def _calls(calls: Calls) -> dict[str, int]:
    return {"count": calls.count, "ns": calls.ns}
