"""Inference's part of `/api/v1/`: serving, and batch jobs."""

from django.urls import path

from inference.api.batch import (
    BatchJobActionView,
    BatchJobCloneView,
    BatchJobDownloadView,
    BatchJobEventsView,
    BatchJobListView,
    BatchJobView,
)
from inference.api.schedules import (
    BatchScheduleListView,
    BatchScheduleRunView,
    BatchScheduleView,
)
from inference.api.views import BreakerView, ReplicaListView
from inference.batch import services

ACTIONS = {
    "cancel": services.job_cancel,
    "pause": services.job_pause,
    "resume": services.job_resume,
    "retry": services.job_retry,
}


urlpatterns = [
    path("replicas/", ReplicaListView.as_view()),
    path("models/<str:name>/versions/<str:version>/breaker/", BreakerView.as_view()),
    path("batch-jobs/", BatchJobListView.as_view()),
    path("batch-jobs/<int:job>/", BatchJobView.as_view()),
    path("batch-jobs/<int:job>/clone/", BatchJobCloneView.as_view()),
    path("batch-jobs/<int:job>/events/", BatchJobEventsView.as_view()),
    path("batch-jobs/<int:job>/output/", BatchJobDownloadView.as_view()),
    path("batch-jobs/<int:job>/manifest/", BatchJobDownloadView.as_view(of_manifest=True)),
    path("batch-schedules/", BatchScheduleListView.as_view()),
    path("batch-schedules/<int:schedule>/", BatchScheduleView.as_view()),
    path("batch-schedules/<int:schedule>/run/", BatchScheduleRunView.as_view()),
    *(
        path(f"batch-jobs/<int:job>/{name}/", BatchJobActionView.as_view(act=act))
        for name, act in ACTIONS.items()
    ),
]
