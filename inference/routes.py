"""The routing table, read from the registry."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db.models import Q, QuerySet

from aihub.problems import N_, Problem
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
    return _routes(RegisteredModel.objects.all(), Q(), Q())


def route_load(model: RegisteredModel) -> ModelRoute:
    """One model's, as in `routes_load`; Problem 404 where it was deleted meanwhile."""
    of_model, of_versions = Q(model=model), Q(version__model=model)
    own = RegisteredModel.objects.filter(pk=model.pk)
    found = _routes(own, of_model, of_versions).models.get(model.name_key)
    if found is None:
        raise Problem(404, N_("The model was deleted meanwhile."))
    return found


def _routes(models: QuerySet[RegisteredModel], of_models: Q, of_versions: Q) -> Routes:
    """`of_models` and `of_versions` say the same of rows that have a model or a version."""
    versions = _versions(of_models, _variants(of_versions))
    aliases = _aliases(of_models, versions)
    rows = models.order_by("pk").values_list(
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


def _variants(of_versions: Q) -> Rows:
    found: dict[int, list[Variant]] = defaultdict(list)
    rows = Variant.objects.filter(of_versions, cpu=cpu_fingerprint()).select_related("blob")
    for row in rows.iterator():
        found[row.version_id].append(row)
    return found


def _versions(of_models: Q, variants: Rows) -> VersionsByModel:
    found: VersionsByModel = defaultdict(dict)
    rows = ModelVersion.objects.filter(of_models).order_by("pk")
    for model_id, key, pk, version, state, sort_key, forced, pinned, precision in rows.values_list(
        *("model_id", "version_key", "pk", "version", "state", "sort_key"),
        *("breaker_forced", "pinned_variant", "model__precision"),
    ).iterator():
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


def _aliases(of_models: Q, versions: VersionsByModel) -> dict[int, dict[str, str]]:
    """An alias may point at a version that came after the query before: it waits for the next."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    rows = Alias.objects.filter(of_models).order_by("pk")
    for model_id, name, key in rows.values_list(
        "model_id", "name", "version__version_key"
    ).iterator():
        if key in versions[model_id]:
            found[model_id][name] = key
    return found
