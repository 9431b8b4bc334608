"""The pages of one alias: where it points, every move that it made, moving it on and back."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from aihub.access import Action
from aihub.problems import N_, Problem
from ops.console.aliases import pending_of, ready_versions
from ops.console.caller import principal_of
from ops.console.forms import AliasForm
from ops.console.model_page import crumbs_of
from ops.console.pages import page, rights, show, told
from registry import selectors
from registry.models import Alias, Approval, RegisteredModel
from registry.selectors import promotion
from registry.services.aliases import alias_delete, alias_rollback, alias_set
from registry.services.moves import alias_now

PER_PAGE = 50
COMMENT_MAX = 2000


@page("models/<str:name>/aliases/<str:alias>/", "alias")
@require_GET
def alias_page(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    """`?at=2026-05-01T12:00` tells where it pointed then."""
    principal = principal_of(request)
    model = selectors.model_get(principal, name)
    moves = promotion.moves_of(model, alias)
    pages = Paginator(moves, PER_PAGE).get_page(request.GET.get("page"))
    return show(
        request,
        "console/alias.html",
        [*crumbs_of(model), (alias, request.path)],
        model=model,
        alias_name=alias,
        present=alias_now(model, alias),
        protected=alias in model.protected_aliases,
        pages=pages,
        ready=ready_versions(model),
        requests=pending_of(model).filter(alias=alias),
        **_then(request, model, alias),
        **rights(principal, model),
    )


@page("models/<str:name>/aliases/", "alias_set")
@require_POST
def alias_move(request: HttpRequest, name: str) -> HttpResponse:
    """Move it; where callers would notice, ask whether that is meant."""
    principal = principal_of(request)
    model = selectors.model_get(principal, name, Action.PUBLISH)
    form = AliasForm(request.POST)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(map(str, errors)))
        return redirect("admin:model", model.name)
    data = dict(form.cleaned_data)
    try:
        version = selectors.version_of(model, data.pop("version"))
        made = alias_set(principal=principal, model=model, version=version, **data)
    except Problem as problem:
        if problem.status == 409 and problem.errors:
            return _ask_incompatible(request, model, problem, form)
        messages.error(request, problem.detail(gettext))
        return redirect("admin:model", model.name)
    return _moved(request, model, made)


@page("models/<str:name>/aliases/<str:alias>/rollback/", "alias_rollback")
@require_POST
def alias_back(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    principal = principal_of(request)
    model = selectors.model_get(principal, name, Action.PUBLISH)
    comment = request.POST.get("comment", "").strip()[:COMMENT_MAX]
    try:
        made = alias_rollback(principal=principal, model=model, name=alias, comment=comment)
    except Problem as problem:
        messages.error(request, problem.detail(gettext))
    else:
        values = {"alias": alias, "version": made.version.version}
        messages.success(request, gettext("“%(alias)s” is back at %(version)s.") % values)
    return redirect("admin:alias", model.name, alias)


@page("models/<str:name>/aliases/<str:alias>/remove/", "alias_remove")
@require_POST
def alias_remove(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    principal = principal_of(request)
    model = selectors.model_get(principal, name, Action.PUBLISH)
    with told(request, gettext("The alias “%(alias)s” was removed.") % {"alias": alias}):
        alias_delete(selectors.alias_get(model, alias), principal=principal)
    return redirect("admin:model", model.name)


def _moved(request: HttpRequest, model: RegisteredModel, made: Alias | Approval) -> HttpResponse:
    """Say what came of it: the alias moved, or another owner has to approve."""
    if isinstance(made, Approval):
        values = {"alias": made.alias, "version": made.version.version}
        text = gettext("“%(alias)s” is protected: another owner has to approve %(version)s.")
        messages.info(request, text % values)
        return redirect("admin:approval", made.pk)
    values = {"alias": made.name, "version": made.version.version}
    messages.success(request, gettext("“%(alias)s” points at %(version)s now.") % values)
    return redirect("admin:model", model.name)


def _ask_incompatible(
    request: HttpRequest, model: RegisteredModel, problem: Problem, form: AliasForm
) -> HttpResponse:
    crumbs = [*crumbs_of(model), (request.POST["name"], request.path)]
    context = {"model": model, "problem": problem, "said": form.data}
    back = reverse("admin:model", args=[model.name])
    answer = show(request, "console/alias_incompatible.html", crumbs, back=back, **context)
    answer.status_code = 409
    return answer


def _then(request: HttpRequest, model: RegisteredModel, alias: str) -> dict[str, Any]:
    """What was asked of the past, and the answer: a move, or why there is none."""
    text = request.GET.get("at", "")[:40]
    if not text:
        return {"at": ""}
    try:
        return {"at": text, "then": promotion.move_at(model, alias, _moment(text))}
    except Problem as problem:
        return {"at": text, "then_problem": problem.detail(gettext)}


def _moment(text: str) -> datetime:
    """A moment as a browser sends it, in the hub's time zone."""
    try:
        found = parse_datetime(text)
        if found is not None:
            aware = found if timezone.is_aware(found) else timezone.make_aware(found)
            return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Problem(400, N_("This is not a date and time."))
