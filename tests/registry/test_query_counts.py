"""Every list, search and history page asks a constant number of queries: those of the table.

A number that changes on purpose is changed in `query_counts.json` too, where a reviewer sees it.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from aihub.events import SYSTEM
from inference.models import BatchSchedule
from ops.models import Webhook
from registry.models import Approval, ModelVersion, RegisteredModel, Team, Upload
from registry.processing import builtin
from registry.processing.steps import Context
from registry.services.aliases import alias_set
from tests.inference.batch.scheduling import schedule_make
from tests.ops.batch_making import make_job
from tests.ops.making import deliver_to, make_webhook
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
TABLE = Path(__file__).with_name("query_counts.json")
COUNTS: dict[str, int] = json.loads(TABLE.read_text())
FEW, MANY = 3, 12


def add(alpha: Team, owner: User, numbers: range) -> None:
    """For each number a model, a version of `first`, a move of its alias, an approval, trash, and
    an upload of the owner's, a batch job, a schedule, a webhook with a delivery, and one of the
    first webhook."""
    for number in numbers:
        begun = {"owner": f"user:{owner.pk}", "expires_at": timezone.now() + timedelta(days=1)}
        Upload.objects.create(filename="weights.onnx", size=1, **begun)
        make_model(alpha, f"model-{number}", tags=["vision", f"tag-{number}"])
        version = _version("first", f"1.{number}.0")
        _version(f"model-{number}", "1.0.0")
        alias_set(principal=SYSTEM, model=version.model, name="production", version=version)
        Approval.objects.create(
            model=version.model,
            alias="staging",
            version=version,
            requested_by="user:0",
            requested_by_name="somebody",
        )
        gone = make_model(alpha, f"gone-{number}")
        away = {"deleted_at": timezone.now(), "deleted_by": "somebody"}
        RegisteredModel.objects.filter(pk=gone.pk).update(**away)
        deliver_to(make_webhook(alpha, f"hook-{number}"))
        make_job(version, state="running", input_name=f"input-{number}")
        deliver_to(Webhook.objects.earliest("pk"))
        schedule_make(alpha, owner)
        thrown = _version("first", f"2.{number}.0")
        ModelVersion.objects.filter(pk=thrown.pk).update(**away)


def _version(name: str, number: str) -> ModelVersion:
    model = RegisteredModel.objects.select_related("team").get(name=name)
    said = {"metrics": {"accuracy": 0.9}, "labels": ["common", "espresso"]}
    version = make_ready(publish(model, number, f"{name} {number}".encode(), **said))
    builtin.checksum(Context(version))
    return version


def asked(client: Client, path: str, headers: dict[str, str]) -> int:
    """The queries of a page that somebody has seen before."""
    client.get(path, headers=headers)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return len(captured)


def measured(user: User) -> dict[str, int]:
    api, console = Client(), Client()
    console.force_login(user)
    places = {
        "webhook": Webhook.objects.earliest("pk").pk,
        "schedule": BatchSchedule.objects.earliest("pk").pk,
    }
    token: dict[str, Any] = {"Authorization": f"Bearer {AccessToken.for_user(user)}"}
    return {
        path: asked(api, path.format(**places), token)
        if path.startswith("/api/")
        else asked(console, path.format(**places), {})
        for path in COUNTS
    }


def test_every_page_costs_what_the_table_says(owner: User, alpha: Team) -> None:
    make_model(alpha, "first", tags=["vision"])
    add(alpha, owner, range(FEW))
    few = measured(owner)
    add(alpha, owner, range(FEW, MANY))
    many = measured(owner)
    growing = {path: (few[path], many[path]) for path in COUNTS if few[path] != many[path]}
    assert growing == {}
    assert many == COUNTS


def test_the_table_names_every_list_of_the_console() -> None:
    from ops.console.site import site

    lists = {f"/{admin.route}/" for admin in site._registry.values()}
    assert {path for path in lists if path not in COUNTS} <= {"/users/", "/audit/"}
