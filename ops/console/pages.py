"""What every page of the console shares: its frame, and how a `Problem` is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from aihub import request_context
from aihub.access import Action, Principal
from aihub.problems import Problem
from ops.console.caller import principal_of
from ops.console.site import View, site

Crumb = tuple[Any, str]  # title, link


def page(route: str, name: str) -> Any:
    """Add a page to the console; a `Problem` that it raises becomes an error page."""

    def add(view: View) -> View:
        def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, **kwargs)
            except Problem as problem:
                return problem_page(request, problem)

        site.page(route, name)(answer)
        return view

    return add


def show(
    request: HttpRequest, template: str, crumbs: list[Crumb], **context: Any
) -> TemplateResponse:
    """A page in the console's frame; the last crumb is its title."""
    frame = site.each_context(request)
    own = {"title": crumbs[-1][0], "crumbs": crumbs, "principal": principal_of(request)}
    return TemplateResponse(request, template, {**frame, **own, **context})


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    context = {
        "status": problem.status,
        "detail": problem.detail(gettext),
        "request_id": request_context.current().request_id,
    }
    return TemplateResponse(request, "error.html", context, status=problem.status)


@contextmanager
def told(request: HttpRequest, success: str = "") -> Iterator[None]:
    """Tell the user how the block went: a `Problem` as an error, else `success`."""
    try:
        yield
    except Problem as problem:
        messages.error(request, problem.detail(gettext))
    else:
        if success:
            messages.success(request, success)


def to_trash() -> dict[str, Any]:
    """What a page says that asks before it moves something to the trash."""
    days = settings.ENV.AIHUB_TRASH_DAYS
    kept = gettext("It serves nothing then, and can be restored for %(days)s days.")
    note = kept % {"days": days} if days else gettext("It serves nothing then; it can be restored.")
    return {"note": note, "verb": gettext("Move to the trash")}


def rights(principal: Principal, model: Any) -> dict[str, bool]:
    """What a template may offer: `{"may_publish": …, "may_delete": …}` and so on."""
    return {f"may_{action.value}": principal.may(action, model) for action in Action}
