"""The registry's part of `/api/v1/`."""

from django.urls import path

from registry.api import promotion_urls
from registry.api.all_versions import AllVersionsView
from registry.api.comparing import CompareView
from registry.api.downloads import VersionDownloadView
from registry.api.dvc import DvcView
from registry.api.garbage import GarbageView
from registry.api.manifests import ManifestView
from registry.api.models import ModelListView, ModelView
from registry.api.samples import SampleListView, SampleView
from registry.api.trash import TrashListView, TrashRestoreView, TrashView
from registry.api.uploads import (
    UploadCompleteView,
    UploadListView,
    UploadPartsView,
    UploadPartView,
    UploadView,
)
from registry.api.versions import (
    VersionListView,
    VersionOptimiseView,
    VersionView,
)

urlpatterns = [
    path("versions/", AllVersionsView.as_view()),
    path("models/", ModelListView.as_view()),
    path("models/<str:name>/", ModelView.as_view()),
    path("models/<str:name>/samples/", SampleListView.as_view()),
    path("models/<str:name>/samples/<str:file>/", SampleView.as_view()),
    path("models/<str:name>/versions/", VersionListView.as_view()),
    path("models/<str:name>/versions/<str:version>/", VersionView.as_view()),
    path("models/<str:name>/versions/<str:version>/compare/", CompareView.as_view()),
    path("models/<str:name>/versions/<str:version>/download/", VersionDownloadView.as_view()),
    path("models/<str:name>/versions/<str:version>/dvc/", DvcView.as_view()),
    path("models/<str:name>/versions/<str:version>/manifest/", ManifestView.as_view()),
    path("models/<str:name>/versions/<str:version>/optimise/", VersionOptimiseView.as_view()),
    *promotion_urls.urlpatterns,
    path("uploads/", UploadListView.as_view()),
    path("uploads/<uuid:upload>/", UploadView.as_view()),
    path("uploads/<uuid:upload>/parts/", UploadPartsView.as_view()),
    path("uploads/<uuid:upload>/parts/<int:number>/", UploadPartView.as_view()),
    path("uploads/<uuid:upload>/complete/", UploadCompleteView.as_view()),
    path("gc/", GarbageView.as_view()),
    path("trash/", TrashListView.as_view()),
    path("trash/<str:entry>/", TrashView.as_view()),
    path("trash/<str:entry>/restore/", TrashRestoreView.as_view()),
]
