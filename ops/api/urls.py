"""The operations part of `/api/v1/`."""

from django.urls import path

from ops.api.audit import AuditView
from ops.api.auth import LogoutView, RefreshView, TokenView
from ops.api.keys import KeyListView, KeyView

urlpatterns = [
    path("auth/token/", TokenView.as_view()),
    path("auth/token/refresh/", RefreshView.as_view()),
    path("auth/logout/", LogoutView.as_view()),
    path("api-keys/", KeyListView.as_view()),
    path("api-keys/<str:prefix>/", KeyView.as_view()),
    path("audit/", AuditView.as_view()),
]
