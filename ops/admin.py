"""Where Django looks for a site's pages: importing them adds them to the console."""

from ops.console import (
    audit_list,
    key_pages,
    model_page,
    publish_page,
    registry_lists,
    serving_page,
    team_pages,
    tokens,
    user_pages,
    version_page,
)

__all__ = [
    "audit_list",
    "key_pages",
    "model_page",
    "publish_page",
    "registry_lists",
    "serving_page",
    "team_pages",
    "tokens",
    "user_pages",
    "version_page",
]
