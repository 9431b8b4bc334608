"""The console's lists: the search language, and the searches that a user keeps."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from aihub.events import SYSTEM
from ops.console.saved_searches import MOST
from ops.models import SavedSearch
from registry.models import Team
from registry.services.versions import version_update
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_viewer(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


@pytest.fixture
def models(alpha: Team) -> None:
    """`photos` has a good version and the tag `vision`, `letters` a bad one."""
    good = make_ready(publish(make_model(alpha, "photos", tags=["vision"])))
    version_update(good, principal=SYSTEM, changes={"metrics": {"accuracy": 0.93}})
    bad = make_ready(publish(make_model(alpha, "letters"), "2.0.0"))
    version_update(bad, principal=SYSTEM, changes={"metrics": {"accuracy": 0.5}})


def rows(client: Client, path: str) -> list[str]:
    return [str(row) for row in client.get(path).context["cl"].result_list]


class TestSearching:
    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("tag%3Avision", ["photos"]),
            ("metrics.accuracy+>=+0.9", ["photos"]),
            ("metrics.accuracy+<+0.9+or+tag:vision", ["letters", "photos"]),
            ("nothing-like-it", []),
            ("+", ["letters", "photos"]),
        ],
    )
    def test_models_are_found_by_terms(
        self, as_viewer: Client, models: None, search: str, found: list[str]
    ) -> None:
        assert rows(as_viewer, f"/models/?q={search}") == found

    def test_versions_are_found_by_terms(self, as_viewer: Client, models: None) -> None:
        assert rows(as_viewer, "/versions/?q=version+>=+2.0.0") == ["letters/2.0.0"]

    @pytest.mark.parametrize("path", ["/models/", "/versions/"])
    @pytest.mark.parametrize("search", ["(", "colour:red", "size+>+much", '"', "x" * 1200, "not"])
    def test_what_cannot_be_read_is_told(
        self, as_viewer: Client, models: None, path: str, search: str
    ) -> None:
        answer = as_viewer.get(f"{path}?q={search}")
        assert answer.status_code == 200
        assert not answer.context["cl"].result_list
        shown = answer.content.decode()
        assert "cannot be read" in shown
        assert "Nothing matches" not in shown

    def test_how_to_search_is_told(self, as_viewer: Client, models: None) -> None:
        assert "metrics.accuracy &gt;= 0.9" in as_viewer.get("/models/").content.decode()


class TestSavedSearches:
    SAVED = {"page": "models", "name": "The good", "query": "o=1&q=tag%3Avision&p=3&team=alpha"}

    def test_a_search_is_kept_and_found_again(self, as_viewer: Client, models: None) -> None:
        answer = as_viewer.post("/saved-searches/", self.SAVED)
        assert answer["Location"] == "/models/?q=tag%3Avision&team=alpha"
        page = as_viewer.get(answer["Location"])
        assert [(s.name, s.is_here) for s in page.context["searches"]] == [("The good", True)]
        assert page.context["search_to_save"] == ""
        assert rows(as_viewer, answer["Location"]) == ["photos"]
        assert not as_viewer.get("/versions/").context["searches"]

    def test_what_is_shown_can_be_saved(self, as_viewer: Client, models: None) -> None:
        page = as_viewer.get("/versions/?q=state:ready&o=2")
        assert page.context["search_to_save"] == "q=state%3Aready"
        assert 'id="save-search"' in page.content.decode()
        assert 'id="save-search"' not in as_viewer.get("/versions/").content.decode()

    def test_the_same_name_is_replaced(self, as_viewer: Client) -> None:
        as_viewer.post("/saved-searches/", self.SAVED)
        as_viewer.post("/saved-searches/", {**self.SAVED, "query": "q=other"})
        assert [search.query for search in SavedSearch.objects.all()] == ["q=other"]

    @pytest.mark.parametrize(
        "wrong",
        [{"name": " "}, {"query": ""}, {"query": "o=1"}, {"query": "q=" + "x" * 2000}],
    )
    def test_what_cannot_be_kept_is_told(self, as_viewer: Client, wrong: dict[str, str]) -> None:
        answer = as_viewer.post("/saved-searches/", {**self.SAVED, **wrong}, follow=True)
        assert [message.level_tag for message in answer.context["messages"]] == ["error"]
        assert not SavedSearch.objects.exists()

    def test_no_other_list_has_searches(self, as_viewer: Client) -> None:
        assert as_viewer.post("/saved-searches/", {**self.SAVED, "page": "x"}).status_code == 400

    def test_there_are_not_too_many(self, as_viewer: Client, viewer: User) -> None:
        SavedSearch.objects.bulk_create(
            SavedSearch(user=viewer, page="models", name=str(number), query="q=x")
            for number in range(MOST)
        )
        as_viewer.post("/saved-searches/", self.SAVED)
        assert SavedSearch.objects.count() == MOST

    def test_nobody_sees_or_deletes_those_of_others(
        self, as_viewer: Client, owner: User, alpha: Team
    ) -> None:
        theirs = SavedSearch.objects.create(user=owner, page="models", name="mine", query="q=x")
        assert not as_viewer.get("/models/").context["searches"]
        assert as_viewer.post(f"/saved-searches/{theirs.pk}/delete/").status_code == 404
        assert SavedSearch.objects.count() == 1

    def test_a_search_is_deleted(self, as_viewer: Client, viewer: User) -> None:
        own = SavedSearch.objects.create(user=viewer, page="versions", name="mine", query="q=x")
        answer = as_viewer.post(f"/saved-searches/{own.pk}/delete/")
        assert answer["Location"] == "/versions/"
        assert not SavedSearch.objects.exists()

    def test_a_name_is_shown_as_text(self, as_viewer: Client, viewer: User) -> None:
        bad = "<script>alert(1)</script>"
        SavedSearch.objects.create(user=viewer, page="models", name=bad, query='q="><b>')
        assert bad not in as_viewer.get("/models/").content.decode()
