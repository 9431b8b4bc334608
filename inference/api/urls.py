"""Serving's part of `/api/v1/`."""

from django.urls import path

from inference.api.views import BreakerView, ReplicaListView

urlpatterns = [
    path("replicas/", ReplicaListView.as_view()),
    path("models/<str:name>/versions/<str:version>/breaker/", BreakerView.as_view()),
]
