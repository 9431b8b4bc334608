"""Secrets that a message or an exception holds are not in its line."""

import pytest

from aihub import env
from aihub.logs.redaction import HIDDEN, Redactor, secrets_of

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
KEY = "aihub_0a1b2c3d_Zk3vN8yq5w1dJ0uXc7RtLmPzQfEbGhAs"
SECRET = "Zk3vN8yq5w1dJ0uXc7RtLmPzQfEbGhAsZk3vN8yq5w1"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {JWT}", JWT),
        (f"Authorization: Api-Key {KEY}", KEY),
        ("authorization: Basic YWRtaW46c2VjcmV0MTIz", "YWRtaW46c2VjcmV0MTIz"),
        (f"token {JWT} has expired", JWT),
        (f"the key {KEY} is unknown", KEY),
        (f"signed with whsec_{SECRET}", SECRET),
        ("mysql://aihub:p4ssw0rd@mysql:3306/aihub is away", "p4ssw0rd"),
        ("smtp+tls://me%40x.org:p4%2Fssw0rd@mail:587", "p4%2Fssw0rd"),
        ("redis://:p4ssw0rd@redis:6379/0", "p4ssw0rd"),
        ("GET https://s3/b/k?X-Amz-Date=1&X-Amz-Signature=9f86d081884c7d65 failed", "9f86d081884c"),
        ("https://s3/k?X-Amz-Credential=AKIA123%2F2026&x=1", "AKIA123"),
        ("/api/v1/uploads/1/parts/2/?expires=1&signature=abcDEF-123:x", "abcDEF-123"),
        ('{"username": "admin", "password": "correct horse battery"}', "correct horse"),
        ("{'secret_key': 'correct horse'}", "correct horse"),
        ("password=hunter2222", "hunter2222"),
        ("sessionid=abcdef0123456789; csrftoken=zyx987", "abcdef0123456789"),
        ("literally T0p-Secret/Value in a sentence", "T0p-Secret/Value"),
    ],
)
def test_it_is_hidden(text: str, secret: str) -> None:
    said = Redactor(["T0p-Secret/Value"])(text)
    assert secret not in said
    assert HIDDEN in said


@pytest.mark.parametrize(
    "text",
    [
        "POST /api/v1/auth/token/ 200",
        "the broker does not answer; registry.run_jobs is not sent: [Errno 111]",
        "loading version 5 failed",
        "https://hub.example.org/models/dogs/?page=2",
        "worker@host ready.",
        "The X-CSRFToken header is missing or wrong; load the page again.",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor(["T0p-Secret/Value"])(text) == text


def test_short_values_are_not_looked_for_literally() -> None:
    assert Redactor(["admin"])("the user admin") == "the user admin"


def test_the_secrets_of_the_environment_are_found_by_their_names_and_in_urls() -> None:
    read = env.read(
        {
            "AIHUB_SECRET_KEY": "k" * 40,
            "AIHUB_ADMIN_PASSWORD": "correct horse",
            "AIHUB_S3_ENDPOINT": "http://minio:9000",
            "AIHUB_S3_ACCESS_KEY": "hub-access",
            "AIHUB_S3_SECRET_KEY": "s3-secret-1",
            "AIHUB_CACHE_URL": "redis://:p4%2Fss@redis:6379/1",
        }
    )
    found = {"k" * 40, "correct horse", "hub-access", "s3-secret-1", "p4%2Fss", "p4/ss"}
    assert found == set(secrets_of(vars(read)))
