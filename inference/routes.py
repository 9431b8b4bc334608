"""The routing table, read from the registry."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from inference.processor import cpu_fingerprint
from inference.routing import ModelRoute, Routes, VersionRoute
from inference.spec import FileRef, VariantSpec
from registry.models import Alias, ModelVersion, RegisteredModel, Variant
from registry.processing import optimiser
from registry.serving import Serving

DERIVED = "model.onnx"  # what a variant's derived file is called
Rows = Mapping[int, Sequence[Variant]]  # by version
VersionsByModel = dict[int, dict[str, VersionRoute]]


def routes_load() -> Routes:
    """Every model with its versions and aliases, in four queries.

    Which form a version serves in is chosen for this machine's kind of processor.
    """
    versions = _versions(_variants())
    aliases = _aliases(versions)
    rows = RegisteredModel.objects.order_by("pk").values_list(
        "name_key", "pk", "name", "team_id", "shared", "task", "pool", "serving"
    )
    return Routes(
        {
            key: ModelRoute(
                *(pk, name, team_id, shared, task, versions[pk], aliases[pk]),
                pool=pool,
                serving=Serving.parse(serving),
            )
            for key, pk, name, team_id, shared, task, pool, serving in rows.iterator()
        }
    )


def _variants() -> Rows:
    found: dict[int, list[Variant]] = defaultdict(list)
    rows = Variant.objects.filter(cpu=cpu_fingerprint()).select_related("blob")
    for row in rows.iterator():
        found[row.version_id].append(row)
    return found


def _versions(variants: Rows) -> VersionsByModel:
    found: VersionsByModel = defaultdict(dict)
    rows = ModelVersion.objects.order_by("pk").values_list(
        *("model_id", "version_key", "pk", "version", "state", "sort_key"),
        *("breaker_forced", "pinned_variant", "model__precision"),
    )
    for model_id, key, pk, version, state, sort_key, forced, pinned, precision in rows.iterator():
        variant = _serving(variants.get(pk, ()), precision, pinned)
        found[model_id][key] = VersionRoute(pk, version, state, sort_key, variant, forced)
    return found


def _serving(rows: Sequence[Variant], precision: str, pinned: str) -> VariantSpec | None:
    """The variant that serves, None where that is the reference."""
    name = optimiser.current().choose(precision, rows, pinned)
    row = next((row for row in rows if row.name == name), None)
    return None if row is None or row.reference else _spec(row)


def _spec(row: Variant) -> VariantSpec:
    blob = row.blob
    return VariantSpec(
        name=row.name,
        runtime=row.runtime,
        precision=row.precision,
        options=row.options,
        files=(FileRef(DERIVED, blob.sha256, blob.md5, blob.size),) if blob else (),
        memory=row.memory,
    )


def _aliases(versions: VersionsByModel) -> dict[int, dict[str, str]]:
    """An alias may point at a version that came after the query before: it waits for the next."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    rows = Alias.objects.order_by("pk").values_list("model_id", "name", "version__version_key")
    for model_id, name, key in rows.iterator():
        if key in versions[model_id]:
            found[model_id][name] = key
    return found
