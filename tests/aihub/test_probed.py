"""A replica's own paths, and the names under which a hub may be asked."""

from typing import Any

import pytest
from django.test import Client

BY_ADDRESS = {"host": "10.1.2.3:8000"}


@pytest.fixture(autouse=True)
def names(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["hub.example.com"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_a_probe_need_not_know_the_hubs_name(client: Client, path: str) -> None:
    answer = client.get(path, headers=BY_ADDRESS)
    assert answer.status_code == 200
    assert answer["X-Request-ID"]


def test_everybody_else_must(client: Client) -> None:
    assert client.get("/api/docs/", headers=BY_ADDRESS).status_code == 400
