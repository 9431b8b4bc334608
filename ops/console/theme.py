"""How the console looks and what its sidebar offers: django-unfold's settings.

Read by `aihub.settings`, so it imports no models; what needs them is named as text.
"""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from aihub import __version__


def _favicon(request: HttpRequest) -> str:
    return static("console/logo.svg")


def _stylesheet(request: HttpRequest) -> str:
    return static("console/console.css")


def _is_here(request: HttpRequest, link: Any) -> bool:
    """Whether the page is the link's or below it; everything is below the overview."""
    return request.path == link or (str(link) != "/" and request.path.startswith(str(link)))


def _item(title: Any, icon: str, link: Any, permission: str = "") -> dict[str, Any]:
    item = {"title": title, "icon": icon, "link": link, "active": partial(_is_here, link=link)}
    return {**item, "permission": f"ops.console.caller.{permission}"} if permission else item


def _page(name: str) -> Any:
    return reverse_lazy(f"admin:{name}")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "AIHub",
    "SITE_HEADER": "AIHub",
    "SITE_SUBHEADER": f"v{__version__}",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _favicon}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "BORDER_RADIUS": "8px",
    "STYLES": [_stylesheet],
    "ACCOUNT": {
        "navigation": [
            {"title": _("E-mail and language"), "link": _page("account")},
            {"title": _("Change password"), "link": _page("password_change")},
        ]
    },
    "LOGIN": {"form": "ops.console.login.LoginForm"},
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .014 265)",
            "100": "oklch(93.5% .031 265)",
            "200": "oklch(88.2% .058 265)",
            "300": "oklch(80.5% .103 265)",
            "400": "oklch(70.2% .158 265)",
            "500": "oklch(61.5% .205 264.5)",
            "600": "oklch(54.2% .222 263.5)",
            "700": "oklch(48.2% .208 264)",
            "800": "oklch(41.8% .172 265)",
            "900": "oklch(37% .132 266)",
            "950": "oklch(27.5% .088 267)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item(_("Overview"), "space_dashboard", _page("index")),
                    _item(
                        _("Models"), "deployed_code", _page("registry_registeredmodel_changelist")
                    ),
                    _item(_("Versions"), "layers", _page("registry_modelversion_changelist")),
                    _item(_("Publish"), "cloud_upload", _page("publish"), "may_publish"),
                    _item(_("Batch jobs"), "stacks", _page("inference_batchjob_changelist")),
                    _item(_("Schedules"), "schedule", _page("inference_batchschedule_changelist")),
                    {
                        **_item(_("Approvals"), "approval", _page("approvals")),
                        "badge": "ops.console.approval_pages.pending_count",
                    },
                    _item(_("Serving"), "monitor_heart", _page("serving"), "manages"),
                    _item(_("Trash"), "delete", _page("trash"), "may_delete"),
                ],
            },
            {
                "title": _("Access"),
                "separator": True,
                "items": [
                    _item(_("API keys"), "key", _page("ops_apikey_changelist"), "manages"),
                    _item(_("Webhooks"), "webhook", _page("ops_webhook_changelist"), "manages"),
                    _item(_("Teams"), "groups", _page("registry_team_changelist"), "has_team"),
                    _item(_("Users"), "person", _page("auth_user_changelist"), "is_admin"),
                    _item(_("Audit"), "history", _page("ops_auditevent_changelist"), "manages"),
                ],
            },
            {
                "title": _("Help"),
                "separator": True,
                "items": [_item(_("API docs"), "api", reverse_lazy("docs"))],
            },
        ],
    },
}
