"""The console's site: Django's admin at `/`, open to every active user."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from ops.console.overview import overview

View = Callable[..., HttpResponse]


class ConsoleSite(UnfoldAdminSite):
    """What each user sees and may do in it is decided by `aihub.access`, not by `is_staff`."""

    login_template = "console/login.html"
    index_template = "console/overview.html"
    index_title = _("Overview")
    final_catch_all_view = False

    def __init__(self) -> None:
        super().__init__()
        self._pages: list[tuple[str, str, View]] = []

    def page(self, route: str, name: str) -> Callable[[View], View]:
        """Add a page of the console at `route`; only who may enter the console reaches it."""

        def add(view: View) -> View:
            self._pages.append((route, name, view))
            return view

        return add

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return not isinstance(user, AnonymousUser) and user.is_active

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().index(request, {**overview(request), **(extra_context or {})})

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return LogoutView.as_view(next_page="admin:login")(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Nothing: the sidebar is in `ops.console.theme`."""
        return []

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [*self._own_urls(), *self._page_urls(), *self._list_urls()]

    def _own_urls(self) -> list[URLPattern]:
        private = self.admin_view
        return [
            path("", private(self.index), name="index"),
            path("login/", self.login, name="login"),
            path("logout/", private(self.logout), name="logout"),
            path("jsi18n/", private(self.i18n_javascript, cacheable=True), name="jsi18n"),
        ]

    def _page_urls(self) -> list[URLPattern]:
        return [path(route, self.admin_view(view), name=name) for route, name, view in self._pages]

    def _list_urls(self) -> list[URLResolver]:
        return [path(f"{a.route}/", include(a.urls)) for a in self._registry.values()]


site = ConsoleSite()
