"""Searches that a user keeps for a list: saved by name, shown as chips, deleted again."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from aihub.problems import N_, Problem
from ops.console.pages import page, told
from ops.models import SavedSearch

PAGES = {
    "models": "admin:registry_registeredmodel_changelist",
    "versions": "admin:registry_modelversion_changelist",
}
MOST = 50  # of one user for one list
PASSING = ("p", "e", "o", "all")  # where one is in the list, not what it shows


def searches_shown(request: HttpRequest, list_page: str) -> dict[str, Any]:
    """The user's searches for a list, each with whether it `is_here`, and what could be saved."""
    here = _kept(request.GET)
    searches = list(_own(request, list_page))
    for search in searches:
        search.is_here = search.query == here  # type: ignore[attr-defined]
    known = any(search.query == here for search in searches)
    return {
        "searches": searches,
        "searches_page": list_page,
        "search_to_save": "" if known else here,
    }


@page("saved-searches/", "search_save")
@require_POST
def search_save(request: HttpRequest) -> HttpResponse:
    list_page, query = _page_of(request), _kept(QueryDict(request.POST.get("query", "")[:4000]))
    name = " ".join(request.POST.get("name", "").split())[:100]
    with told(request, gettext("The search “%(name)s” was saved.") % {"name": name}):
        _save(request, list_page, name, query)
    return _back(list_page, query)


@page("saved-searches/<int:pk>/delete/", "search_delete")
@require_POST
def search_delete(request: HttpRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(SavedSearch, pk=pk, user=request.user)
    search.delete()
    with told(request, gettext("The search “%(name)s” was deleted.") % {"name": search.name}):
        return _back(search.page, "")


def _save(request: HttpRequest, list_page: str, name: str, query: str) -> None:
    if not name:
        raise Problem(400, N_("Give the search a name."))
    if not query:
        raise Problem(400, N_("There is nothing to save: search or filter first."))
    if len(query) > 1000:
        raise Problem(400, N_("This search is too long to be saved."))
    own = _own(request, list_page)
    if own.exclude(name=name).count() >= MOST:
        raise Problem(400, N_("You have %(most)s searches here; delete one first."), most=MOST)
    SavedSearch.objects.update_or_create(
        user_id=int(request.user.pk or 0), page=list_page, name=name, defaults={"query": query}
    )


def _own(request: HttpRequest, list_page: str) -> QuerySet[SavedSearch]:
    return SavedSearch.objects.filter(user=request.user.pk, page=list_page)


def _page_of(request: HttpRequest) -> str:
    name = request.POST.get("page", "")
    if name not in PAGES:
        raise Problem(400, N_("The request does not fit."))
    return name


def _kept(query: QueryDict) -> str:
    """What a list shows, as the text of a query, in one order."""
    pairs = sorted((name, value) for name, values in query.lists() for value in values if value)
    kept = QueryDict(mutable=True)
    for name, value in pairs:
        if name not in PASSING:
            kept.appendlist(name, value)
    return kept.urlencode()


def _back(list_page: str, query: str) -> HttpResponse:
    answer = redirect(PAGES[list_page])
    if query:
        answer["Location"] += f"?{query}"
    return answer
