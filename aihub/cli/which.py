"""`MODEL[@WHICH]`: a version by its number, an alias, a range, or what answers by default."""

import re
from dataclasses import dataclass
from typing import Any

from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub, segment

DEFAULT_ALIAS = "production"
LATEST = "latest"
_ALIAS = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)


@dataclass(frozen=True)
class Which:
    """A model, and which of its versions; the empty text is what answers by default."""

    model: str
    version: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The same, as a prediction asks for it."""
        if not self.version:
            return {}
        return {"alias" if _is_alias(self.version) else "version": self.version}


def parse(text: str) -> Which:
    model, at, version = text.partition("@")
    if not model or (at and not version):
        raise Failure(f"“{text}” does not read as MODEL[@VERSION].", Exit.USAGE)
    return Which(model, version)


def model_path(model: str) -> str:
    return f"/models/{segment(model)}/"


def version_path(model: str, version: str) -> str:
    return f"{model_path(model)}versions/{segment(version)}/"


def alias_path(model: str, alias: str) -> str:
    return f"{model_path(model)}aliases/{segment(alias)}/"


def find(hub: Hub, which: Which) -> dict[str, Any]:
    """The version that is meant, whole."""
    found: dict[str, Any] = hub.get(version_path(which.model, _number(hub, which)))
    return found


def _number(hub: Hub, which: Which) -> str:
    """A version's number, or a range, which the hub reads as the newest ready one in it."""
    if not which.version:
        return _default(hub, which.model)
    if _is_alias(which.version):
        return str(hub.get(alias_path(which.model, which.version))["version"])
    return which.version


def _default(hub: Hub, model: str) -> str:
    aliases = hub.get(model_path(model))["aliases"]
    return str(aliases.get(DEFAULT_ALIAS, LATEST))


def _is_alias(text: str) -> bool:
    """Whether it cannot be a version or a range: `v1`, `x` and `latest` are taken as ranges."""
    return bool(_ALIAS.fullmatch(text)) and not re.fullmatch(rf"v\d[\w.-]*|x|{LATEST}", text)
