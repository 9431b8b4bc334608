"""The routing table, read from the registry."""

from collections import defaultdict

from inference.routing import ModelRoute, Routes, VersionRoute
from registry.models import Alias, ModelVersion, RegisteredModel

VersionsByModel = dict[int, dict[str, VersionRoute]]


def routes_load() -> Routes:
    """Every model with its versions and aliases, in three queries."""
    versions = _versions()
    aliases = _aliases(versions)
    rows = RegisteredModel.objects.order_by("pk").values_list(
        "name_key", "pk", "name", "team_id", "shared", "task"
    )
    return Routes(
        {
            key: ModelRoute(pk, name, team_id, shared, task, versions[pk], aliases[pk])
            for key, pk, name, team_id, shared, task in rows.iterator()
        }
    )


def _versions() -> VersionsByModel:
    found: VersionsByModel = defaultdict(dict)
    rows = ModelVersion.objects.order_by("pk").values_list(
        "model_id", "version_key", "pk", "version", "state", "sort_key"
    )
    for model_id, key, pk, version, state, sort_key in rows.iterator():
        found[model_id][key] = VersionRoute(pk, version, state, sort_key)
    return found


def _aliases(versions: VersionsByModel) -> dict[int, dict[str, str]]:
    """An alias may point at a version that came after the query before: it waits for the next."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    rows = Alias.objects.order_by("pk").values_list("model_id", "name", "version__version_key")
    for model_id, name, key in rows.iterator():
        if key in versions[model_id]:
            found[model_id][name] = key
    return found
