"""Aliases and approvals under `/api/v1/`."""

from django.urls import path

from registry.api.aliases import (
    AliasHistoryView,
    AliasListView,
    AliasRollbackView,
    AliasView,
)
from registry.api.approvals import (
    ApprovalApproveView,
    ApprovalCancelView,
    ApprovalListView,
    ApprovalRejectView,
    ApprovalView,
)

urlpatterns = [
    path("models/<str:name>/aliases/", AliasListView.as_view()),
    path("models/<str:name>/aliases/<str:alias>/", AliasView.as_view()),
    path("models/<str:name>/aliases/<str:alias>/history/", AliasHistoryView.as_view()),
    path("models/<str:name>/aliases/<str:alias>/rollback/", AliasRollbackView.as_view()),
    path("approvals/", ApprovalListView.as_view()),
    path("approvals/<int:approval>/", ApprovalView.as_view()),
    path("approvals/<int:approval>/approve/", ApprovalApproveView.as_view()),
    path("approvals/<int:approval>/reject/", ApprovalRejectView.as_view()),
    path("approvals/<int:approval>/cancel/", ApprovalCancelView.as_view()),
]
