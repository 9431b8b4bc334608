"""`/api/v1/approvals/…`: requests to move protected aliases, and deciding on them."""

from collections.abc import Callable
from typing import Any, cast

import django_filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action, Principal
from aihub.api import Pagination, caller, validated
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.promotion import ApprovalInput, ApprovalOutput, ApprovalSummary, CommentInput
from registry.models import Approval
from registry.selectors import promotion
from registry.services.aliases import alias_set
from registry.services.approvals import approval_approve, approval_cancel, approval_reject


class ApprovalFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=Approval.States.choices)
    model = django_filters.CharFilter("model__name_key", method="of_model")

    class Meta:
        model = Approval
        fields = ("state", "model")

    def of_model(self, rows: Any, path: str, name: str) -> Any:
        return rows.filter(**{path: name.lower()})


class ApprovalListView(APIView):
    """The approvals of models that the caller may read, the newest first; ask for one."""

    pagination_class = Pagination

    @extend_schema(
        parameters=[
            OpenApiParameter("state", enum=Approval.States.values),
            OpenApiParameter("model"),
            OpenApiParameter("page", int),
            OpenApiParameter("page_size", int),
        ],
        responses=ApprovalSummary(many=True),
    )
    def get(self, request: Request) -> Response:
        principal = caller(request)
        rows = ApprovalFilter(request.query_params, promotion.approvals_visible(principal))
        if not rows.is_valid():
            raise Problem(400, N_("The request does not fit."), errors=_errors(rows.errors))
        pages = self.pagination_class()
        page = promotion.approvals_with_present(
            pages.paginate_queryset(promotion.summarised(rows.qs), request, self) or []
        )
        shown = ApprovalSummary(page, many=True, context={"principal": principal})
        return pages.get_paginated_response(shown.data)

    @extend_schema(request=ApprovalInput, responses={202: ApprovalOutput})
    def post(self, request: Request) -> Response:
        principal = caller(request)
        data = validated(ApprovalInput, request.data)
        model = selectors.model_get(principal, data.pop("model"), Action.PUBLISH)
        alias, version = data.pop("alias"), selectors.version_of(model, data.pop("version"))
        made = alias_set(
            principal=principal, model=model, name=alias, version=version, ask=True, **data
        )
        return Response(represent(cast(Approval, made), principal), status=202)


class ApprovalView(APIView):
    """One approval with what an owner decides on."""

    @extend_schema(responses=ApprovalOutput)
    def get(self, request: Request, approval: int) -> Response:
        principal = caller(request)
        return Response(represent(promotion.approval_get(principal, approval), principal))


class _DecisionView(APIView):
    decide: Callable[..., Approval]

    @extend_schema(request=CommentInput, responses=ApprovalOutput)
    def post(self, request: Request, approval: int) -> Response:
        principal = caller(request)
        found = promotion.approval_get(principal, approval)
        data = validated(CommentInput, request.data)
        decided = type(self).decide(found, principal=principal, **data)
        return Response(represent(decided, principal))


class ApprovalApproveView(_DecisionView):
    """Approve: the alias moves at once."""

    decide = staticmethod(approval_approve)


class ApprovalRejectView(_DecisionView):
    """Reject: the alias stays."""

    decide = staticmethod(approval_reject)


class ApprovalCancelView(_DecisionView):
    """Take a request back."""

    decide = staticmethod(approval_cancel)


def represent(approval: Approval, principal: Principal) -> Any:
    """An approval as this caller is shown it."""
    [shown] = promotion.approvals_with_present([approval])
    return ApprovalOutput(shown, context={"principal": principal}).data


def _errors(errors: Any) -> list[dict[str, str]]:
    return [
        {"field": name, "detail": str(text)} for name, texts in errors.items() for text in texts
    ]
