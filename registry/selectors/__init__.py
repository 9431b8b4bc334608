"""Reads: what a principal may see. Models and versions here, other nouns in modules of theirs."""

from registry.selectors.catalogue import (
    LARGE,
    alias_get,
    model_get,
    models_listed,
    models_visible,
    sample_get,
    team_get,
    variants_shown,
    version_get,
    version_missing,
    version_of,
    versions_listed,
    versions_newest,
    versions_visible,
    with_details,
)
from registry.selectors.lineage import children_of, parent_of

__all__ = [
    "LARGE",
    "alias_get",
    "children_of",
    "model_get",
    "models_listed",
    "models_visible",
    "parent_of",
    "sample_get",
    "team_get",
    "variants_shown",
    "version_get",
    "version_missing",
    "version_of",
    "versions_listed",
    "versions_newest",
    "versions_visible",
    "with_details",
]
