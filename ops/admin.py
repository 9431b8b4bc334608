"""Where Django looks for a site's pages: importing them adds them to the console."""

from ops.console import (
    alias_pages,
    approval_pages,
    audit_list,
    compare_page,
    garbage_page,
    key_pages,
    model_page,
    publish_page,
    registry_lists,
    saved_searches,
    serving_page,
    team_pages,
    tokens,
    trash_page,
    user_pages,
    version_page,
)

__all__ = [
    "alias_pages",
    "approval_pages",
    "audit_list",
    "compare_page",
    "garbage_page",
    "key_pages",
    "model_page",
    "publish_page",
    "registry_lists",
    "saved_searches",
    "serving_page",
    "team_pages",
    "tokens",
    "trash_page",
    "user_pages",
    "version_page",
]
