"""Which version answers: the routing table as an immutable value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

from aihub.problems import N_, Problem
from inference.spec import VariantSpec
from registry import semver, version_ranges
from registry.refusals import Refused
from registry.serving import Serving

READY = "ready"
DEFAULT_ALIAS = "production"
RANGES = 256  # that a model's route remembers the answers of


@dataclass(frozen=True, slots=True)
class VersionRoute:
    """A version: its id, its name as shown, its state, and its place in the semantic order.

    `variant` is the form in which it serves here, None for its reference. `forced` is what an
    operator holds its breaker at: empty, `open` or `closed`.
    """

    id: int
    version: str
    state: str
    sort_key: str
    variant: VariantSpec | None = None
    forced: str = ""


@dataclass(frozen=True)
class ModelRoute:
    """A model with its versions by key and its aliases; `aihub.access` decides on it."""

    id: int
    name: str
    team_id: int
    shared: bool
    task: str
    versions: Mapping[str, VersionRoute] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)  # alias to version key
    pool: str = ""
    serving: Serving = field(default_factory=Serving)
    # What answers for an alias (None: by default) until what it points at now is loaded.
    held: Mapping[str | None, VersionRoute] = field(default_factory=dict)
    # The same for ranges.
    held_ranges: Mapping[str, VersionRoute] = field(default_factory=dict)

    def aliased(self, alias: str) -> VersionRoute | None:
        """The version that answers for an alias."""
        if alias in self.held:
            return self.held[alias]
        key = self.aliases.get(alias)
        return None if key is None else self.versions[key]

    def has_ready(self, version: VersionRoute) -> bool:
        """Whether that version is still there and ready, in whatever form."""
        return any(v.id == version.id and v.state == READY for v in self.versions.values())

    @cached_property
    def default(self) -> VersionRoute | None:
        """The alias `production`, else the newest ready version."""
        if None in self.held:
            return self.held[None]
        if DEFAULT_ALIAS in self.aliases:
            return self.versions[self.aliases[DEFAULT_ALIAS]]
        ready = (version for version in self.versions.values() if version.state == READY)
        return max(ready, key=lambda version: version.sort_key, default=None)

    def resolve(self, version: str | None = None, alias: str | None = None) -> VersionRoute:
        """The version to answer with: the one named, the newest ready one in the range named, the
        one of an alias, or the default.

        Raises Problem: 400 for both at once, 404 for an unknown one, 409 for one not ready.
        """
        if version is not None and alias is not None:
            raise Problem(400, N_("Name a version or an alias, not both."))
        if version is not None:
            return self.ranges.get(version) or self._ready(self._version(version))
        if alias is not None:
            return self._ready(self._aliased(alias))
        if self.default is None:
            raise Problem(409, N_("“%(model)s” has no version that is ready."), model=self.name)
        return self._ready(self.default)

    @cached_property
    def ranges(self) -> dict[str, VersionRoute]:
        """What ranges were found to mean, which is so for as long as this route lives."""
        return dict(self.held_ranges)

    def _version(self, text: str) -> VersionRoute:
        try:
            found = self.versions.get(semver.parse(text).key)
        except Refused:
            found = self._in_range(text)
        if found is None:
            raise Problem(
                404,
                N_("“%(model)s” has no version “%(version)s”."),
                model=self.name,
                version=text[:80],
            )
        return found

    def _in_range(self, text: str) -> VersionRoute | None:
        """The newest ready version in a range, Problem 404; None for what is no range."""
        found = self.newest_ready(text)
        if found is None and version_ranges.is_range(text):
            raise Problem(
                404,
                N_("“%(model)s” has no version in “%(range)s” that is ready."),
                model=self.name,
                range=text[:80],
            )
        return found

    def newest_ready(self, text: str) -> VersionRoute | None:
        """The newest ready version in a range; None where there is none, or no such range."""
        try:
            wanted = version_ranges.parse(text)
        except Refused:
            return None
        ready = (version for version in self.versions.values() if version.state == READY)
        found = wanted.newest(ready, key=lambda version: version.sort_key)
        if found and len(self.ranges) < RANGES:
            self.ranges[text] = found
        return found

    def _aliased(self, alias: str) -> VersionRoute:
        found = self.aliased(alias)
        if found is None:
            raise Problem(
                404,
                N_("“%(model)s” has no alias “%(alias)s”."),
                model=self.name,
                alias=alias[:80],
            )
        return found

    def _ready(self, version: VersionRoute) -> VersionRoute:
        if version.state != READY:
            raise Problem(
                409,
                N_("Version %(version)s of “%(model)s” is not ready: it is %(state)s."),
                version=version.version,
                model=self.name,
                state=version.state,
            )
        return version


@dataclass(frozen=True, slots=True)
class Routes:
    """Every model by its name in lower case."""

    models: Mapping[str, ModelRoute] = field(default_factory=dict)

    def get(self, name: str) -> ModelRoute | None:
        return self.models.get(name.lower())

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back to an equal value."""
        return {"models": {key: _as_json(model) for key, model in self.models.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls({key: _model(model) for key, model in value["models"].items()})


def _as_json(model: ModelRoute) -> dict[str, Any]:
    plain = {**asdict(model), "serving": model.serving.as_json()}
    del plain["held"], plain["held_ranges"]  # the replica's own matter
    return plain


def _model(value: Mapping[str, Any]) -> ModelRoute:
    versions = {key: _version(version) for key, version in value["versions"].items()}
    serving = Serving.parse(value["serving"])
    return ModelRoute(**{**value, "versions": versions, "serving": serving})


def _version(value: Mapping[str, Any]) -> VersionRoute:
    variant = value["variant"]
    return VersionRoute(**{**value, "variant": variant and VariantSpec.from_json(variant)})
