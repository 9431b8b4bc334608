"""Requests to move protected aliases: the list, and one with all that an owner decides on."""

from collections.abc import Callable
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from aihub.access import Action
from aihub.problems import N_, Problem
from ops.console.caller import principal_of
from ops.console.comparison import differences_shown, metric_rows
from ops.console.findings import findings_counted, findings_shown
from ops.console.pages import Crumb, page, show, told
from registry.comparing import compare
from registry.models import Approval
from registry.selectors.promotion import (
    approval_get,
    approvals_visible,
    approvals_with_present,
    version_before,
)
from registry.services.approvals import (
    approval_approve,
    approval_cancel,
    approval_reject,
    may_cancel,
    may_decide,
)
from registry.services.fitness import signature_differences

PER_PAGE = 50
COMMENT_MAX = 2000
States = Approval.States
DECISIONS: dict[str, tuple[Callable[..., Approval], Any]] = {
    "approve": (approval_approve, _("Approved: “%(alias)s” points at %(version)s now.")),
    "reject": (approval_reject, _("Rejected: “%(alias)s” stays where it is.")),
    "cancel": (approval_cancel, _("The request was taken back.")),
}


@page("approvals/", "approvals")
@require_GET
def approvals_page(request: HttpRequest) -> HttpResponse:
    """The pending first, then the newest."""
    rows = approvals_visible(principal_of(request))
    state = request.GET.get("state", "")
    if state in States.values:
        rows = rows.filter(state=state)
    pages = Paginator(_pending_first(rows), PER_PAGE).get_page(request.GET.get("page"))
    return show(
        request,
        "console/approvals.html",
        [(_("Approvals"), request.path)],
        pages=pages,
        page_query=f"state={state}&" if state in States.values else "",
        approvals=approvals_with_present(pages),
        states=States.choices,
        chosen=state,
    )


@page("approvals/<int:pk>/", "approval")
@require_GET
def approval_page(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    [approval] = approvals_with_present([approval_get(principal, pk)])
    version, present = approval.version, version_before(approval)
    findings = findings_shown(version.report)
    return show(
        request,
        "console/approval.html",
        [*_crumbs(), (f"{approval.model.name} · {approval.alias}", request.path)],
        approval=approval,
        model=approval.model,
        version=version,
        present=present,
        metrics=metric_rows(compare(present or version, version)),
        differences=differences_shown(signature_differences(present, version)),
        findings=findings,
        finding_counts=findings_counted(findings),
        may_decide=may_decide(principal, approval),
        may_cancel=may_cancel(principal, approval),
    )


@page("approvals/<int:pk>/decide/", "approval_decide")
@require_POST
def approval_decide(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    approval = approval_get(principal, pk)
    decide, text = DECISIONS.get(request.POST.get("decision", ""), (None, ""))
    if decide is None:
        raise Problem(400, N_("The request does not fit."))
    comment = request.POST.get("comment", "").strip()[:COMMENT_MAX]
    values = {"alias": approval.alias, "version": approval.version.version}
    with told(request, gettext(text) % values):
        decide(approval, principal=principal, comment=comment)
    return redirect("admin:approval", pk)


def pending_count(request: HttpRequest) -> str:
    """How many requests wait for this user, for the sidebar; nothing where none does."""
    principal = principal_of(request)
    pending = approvals_visible(principal).filter(state=States.PENDING)
    if not principal.is_admin:
        owned = [team for team in principal.roles if principal.may_in_team(Action.MANAGE, team)]
        pending = pending.filter(model__team__in=owned) if owned else pending.none()
    count = pending.exclude(requested_by=principal.id).order_by().count()
    return str(count) if count else ""


def _pending_first(rows: QuerySet[Approval]) -> QuerySet[Approval]:
    waiting = Case(When(state=States.PENDING, then=Value(0)), default=Value(1))
    return rows.order_by(waiting, "-requested_at", "-pk")


def _crumbs() -> list[Crumb]:
    return [(_("Approvals"), reverse("admin:approvals"))]
