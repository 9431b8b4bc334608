"""Reads: what a principal may see, found by name."""

from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from aihub.access import Action, Principal
from aihub.problems import N_, Problem
from registry import semver
from registry.models import Alias, ModelVersion, RegisteredModel, Sample, Team, Variant
from registry.models.versions import State
from registry.processing import optimiser
from registry.refusals import Refused
from registry.selectors.ranged import version_named
from registry.services.models import denied
from registry.services.taken import sees

# What only a version's own page shows.
LARGE = (
    "labels",
    "report",
    "manifest",
    "signature",
    "card",
    "parameters",
    "metrics",
    "source",
    "preprocessing",
    "model__card",
)


def models_visible(principal: Principal) -> QuerySet[RegisteredModel]:
    """The models that a principal may read."""
    models = RegisteredModel.objects.select_related("team").prefetch_related("tag_rows")
    scope = principal.scope
    if scope and Action.READ not in scope.actions:
        return models.none()
    if scope and scope.models:
        models = models.filter(name_key__in=scope.models)
    if principal.is_admin:
        return models
    own = Q(team_id__in=principal.roles)
    return models.filter(own if scope else own | Q(shared=True))


def models_listed(models: QuerySet[RegisteredModel]) -> QuerySet[RegisteredModel]:
    """Models with what a list shows of them: `version_count` of live versions, tags, aliases."""
    live = ModelVersion.objects.filter(model=OuterRef("pk")).order_by()
    count = live.values("model").annotate(count=Count("pk")).values("count")
    pointing = Prefetch("version", ModelVersion.everything.only("version"))
    aliases = Prefetch("aliases", Alias.objects.prefetch_related(pointing))
    counted = models.annotate(version_count=Coalesce(Subquery(count), 0))
    return counted.select_related("team").prefetch_related("tag_rows", aliases).defer("card")


def versions_visible(principal: Principal) -> QuerySet[ModelVersion]:
    """The versions of the models that a principal may read.

    All but those of other models: said so, a database goes through the versions in their order and
    stops when it has enough, where it would begin with the models and sort all that they have.
    """
    models = models_visible(principal).order_by().values("pk")
    others = RegisteredModel.everything.exclude(pk__in=models).order_by().values("pk")
    return ModelVersion.objects.exclude(model__in=others).select_related("model__team")


def model_get(principal: Principal, name: str, action: Action = Action.READ) -> RegisteredModel:
    """A model by name: `Problem` 404 where it is not to be seen, 403 without the right."""
    found = (
        RegisteredModel.objects.select_related("team")
        .prefetch_related("tag_rows")
        .filter(name_key=name.lower())
        .first()
    )
    if found is None or not sees(principal, found):
        raise Problem(404, N_("There is no model “%(name)s”."), name=name[:100])
    if not principal.may(action, found):
        raise denied(action, found.team)
    return found


def version_get(
    principal: Principal, name: str, version: str, action: Action = Action.READ
) -> ModelVersion:
    """A version of a model by name; errors as in `model_get`. To read, a range names one too."""
    model = model_get(principal, name, action)
    if action == Action.READ:
        version = version_named(model, version)
    found = (
        model.versions.select_related("model__team")
        .prefetch_related("files__blob", "converted__blob", "aliases", "variants")
        .filter(version_key=_version_key(version))
        .first()
    )
    if found is None:
        raise version_missing(model.name, version)
    return found


def version_of(model: RegisteredModel, version: str) -> ModelVersion:
    """A version of a model that the caller has already got, by its number or a range."""
    key = _version_key(version_named(model, version))
    found = model.versions.filter(version_key=key).first()
    if found is None:
        raise version_missing(model.name, version)
    return found


def version_missing(model: str, version: str) -> Problem:
    return Problem(
        404,
        N_("“%(model)s” has no version “%(version)s”."),
        model=model,
        version=version[:80],
    )


def alias_get(model: RegisteredModel, name: str) -> Alias:
    found = model.aliases.select_related("version", "model").filter(name=name).first()
    if found is None or found.name != name:  # some databases ignore case
        raise Problem(
            404, N_("“%(model)s” has no alias “%(alias)s”."), model=model.name, alias=name[:80]
        )
    return found


def sample_get(model: RegisteredModel, name: str) -> Sample:
    found = model.samples.select_related("blob", "model__team").filter(name=name).first()
    if found is None or found.name != name:  # some databases ignore case
        raise Problem(
            404,
            N_("“%(model)s” has no sample file “%(file)s”."),
            model=model.name,
            file=name[:200],
        )
    return found


def variants_shown(version: ModelVersion) -> list[Variant]:
    """The forms in which a version serves or might, each knowing whether it `serves`.

    Until any are compiled that is its reference alone; a version that is not ready has none.
    """
    if version.state != State.READY:
        return []
    rows = list(version.variants.all()) or [_reference(version)]
    for row in rows:
        row.serves = False  # type: ignore[attr-defined]
        row.pinned = row.name == version.pinned_variant  # type: ignore[attr-defined]
    for cpu in {row.cpu for row in rows}:
        serving = _serving([row for row in rows if row.cpu == cpu], version)
        if serving:
            serving.serves = True  # type: ignore[attr-defined]
    return rows


def _serving(rows: list[Variant], version: ModelVersion) -> Variant | None:
    """The row that serves among those of one kind of processor."""
    choose = optimiser.current().choose
    name = choose(version.model.precision, rows, version.pinned_variant)
    chosen = (row for row in rows if (row.reference if name is None else row.name == name))
    return next(chosen, None)


def _reference(version: ModelVersion) -> Variant:
    """The row that a version's reference form has before it is measured."""
    runtime = optimiser.current().reference(version.served_format or version.format)
    return Variant(
        version=version,
        name=f"{runtime}-fp32",
        runtime=runtime,
        precision="fp32",
        reference=True,
        state=Variant.States.READY,
        size=version.size,
    )


def team_get(name: str) -> Team:
    found = Team.objects.filter(name=name).first()
    if found is None:
        raise Problem(400, N_("There is no team “%(team)s”."), team=name[:80])
    return found


def with_details(versions: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    """Versions with what their representation needs, in a constant number of queries."""
    aliases = Prefetch("aliases", queryset=Alias.objects.order_by("name"))
    rows = versions.select_related("model__team")
    return rows.prefetch_related("files__blob", "converted__blob", aliases)


def versions_newest(versions: QuerySet[ModelVersion], most: int) -> QuerySet[ModelVersion]:
    """The newest of these, without their large columns; their keys are found first."""
    keys = list(versions.order_by("-pk").values_list("pk", flat=True)[:most])
    found = ModelVersion.objects.filter(pk__in=keys).select_related("model__team")
    return found.order_by("-pk").defer(*LARGE)


def versions_listed(versions: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    """Versions with what a list shows of them, without their large columns."""
    return with_details(versions).defer(*LARGE)


def _version_key(version: str) -> str:
    try:
        return semver.parse(version).key
    except Refused:
        return ""
