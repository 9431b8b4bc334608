"""The operations part of `/api/v1/`."""

from django.urls import path

from ops.api.audit import AuditView
from ops.api.auth import LogoutView, RefreshView, TokenView
from ops.api.deliveries import (
    DeliveryListView,
    DeliveryReplayView,
    DeliveryView,
    WebhookTestView,
)
from ops.api.keys import KeyListView, KeyView
from ops.api.webhooks import WebhookListView, WebhookRotateView, WebhookView

urlpatterns = [
    path("auth/token/", TokenView.as_view()),
    path("auth/token/refresh/", RefreshView.as_view()),
    path("auth/logout/", LogoutView.as_view()),
    path("api-keys/", KeyListView.as_view()),
    path("api-keys/<str:prefix>/", KeyView.as_view()),
    path("webhooks/", WebhookListView.as_view()),
    path("webhooks/<int:webhook>/", WebhookView.as_view()),
    path("webhooks/<int:webhook>/rotate/", WebhookRotateView.as_view()),
    path("webhooks/<int:webhook>/test/", WebhookTestView.as_view()),
    path("webhooks/<int:webhook>/deliveries/", DeliveryListView.as_view()),
    path("webhooks/<int:webhook>/deliveries/<uuid:delivery>/", DeliveryView.as_view()),
    path(
        "webhooks/<int:webhook>/deliveries/<uuid:delivery>/replay/",
        DeliveryReplayView.as_view(),
    ),
    path("audit/", AuditView.as_view()),
]
