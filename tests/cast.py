"""The people of the tests, and clients that speak for them.

Team `alpha` has an `owner`, a `developer` and a `viewer`; the `outsider` owns team `beta`; the
`admin` is over all. Everybody's password is `PASSWORD`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from aihub.access import Role
from registry.models import Membership, Team
from registry.models.teams import DEFAULT_TEAM

PASSWORD = "correct horse battery staple"
CAST = {
    "owner": ("alpha", Role.OWNER),
    "developer": ("alpha", Role.DEVELOPER),
    "viewer": ("alpha", Role.VIEWER),
    "outsider": ("beta", Role.OWNER),
}


def enter(name: str) -> User:
    """Create a person of the cast, with their team and role in it."""
    team_name, role = CAST[name]
    team, _ = Team.objects.get_or_create(name=team_name)
    user = User.objects.create_user(name, password=PASSWORD)
    Membership.objects.create(team=team, user=user, role=role)
    return user


def enter_admin() -> User:
    return User.objects.create_superuser("admin", password=PASSWORD)


@contextmanager
def undone() -> Iterator[None]:
    """What the block does to the database is undone: several people try the same, each anew."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def alpha(db: None) -> Team:
    return Team.objects.get_or_create(name="alpha")[0]


@pytest.fixture
def beta(db: None) -> Team:
    return Team.objects.get_or_create(name="beta")[0]


@pytest.fixture
def default_team(db: None) -> Team:
    return Team.objects.get_or_create(name=DEFAULT_TEAM)[0]


@pytest.fixture
def owner(db: None) -> User:
    return enter("owner")


@pytest.fixture
def developer(db: None) -> User:
    return enter("developer")


@pytest.fixture
def viewer(db: None) -> User:
    return enter("viewer")


@pytest.fixture
def outsider(db: None) -> User:
    return enter("outsider")


@pytest.fixture
def admin(db: None) -> User:
    return enter_admin()


@pytest.fixture
def client_of() -> Callable[[User], Any]:
    """`client_of(user)`: a DRF client that sends a real token of that user."""

    def make(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
        return client

    return make


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient()
