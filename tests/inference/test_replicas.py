"""Replicas say what they do, breakers are seen, and operators force them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from aihub.events import SYSTEM
from inference.engine.breaker import Breaker
from inference.models import Replica
from inference.replicas import LOOK_EVERY, WRITE_EVERY, Reporter, replicas_alive
from inference.routes import routes_load
from ops.keys import key_create
from ops.models import AuditEvent
from registry.models import ModelVersion, Team
from registry.models.revision import revision_current
from registry.serving import ERROR_COUNT, Rule
from tests.cast import CAST, enter, enter_admin
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
RULE = Rule(ERROR_COUNT, threshold=1, min_calls=1, open_s=60, probes=1)
LOADED = {"model": "digits", "version": "1.0.0", "variant": "", "memory": 5, "in_flight": 0}
PATH = "/api/v1/models/digits/versions/1.0.0/breaker/"


class Scene:
    """A replica with one model, one breaker, and a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.breaker = Breaker([RULE], self.clock)
        self.loaded = [dict(LOADED)]
        self.has_breaker = True
        self.asked = 0
        self.reporter = Reporter("gpu", "abc", self.state, self.clock)

    def clock(self) -> float:
        return self.now

    def state(self) -> dict[str, Any]:
        self.asked += 1
        breaker = {"model": "digits", "version": "1.0.0", **self.breaker.as_json()}
        breakers = [breaker] if self.has_breaker else []
        return {"memory": 7, "loaded": self.loaded, "breakers": breakers}

    def tick(self, after: float = LOOK_EVERY) -> None:
        self.now += after
        self.reporter.tick()

    def fail(self) -> None:
        self.breaker.record(self.breaker.admits(), 0.01, True)

    def recover(self) -> None:
        self.now += RULE.open_s
        self.breaker.record(self.breaker.admits(), 0.01, False)


@pytest.fixture
def version(alpha: Team) -> ModelVersion:
    return make_ready(publish(make_model(alpha)))


@pytest.fixture
def scene(version: ModelVersion) -> Scene:
    return Scene()


def events() -> list[str]:
    names = AuditEvent.objects.filter(action__startswith="breaker.").order_by("pk")
    return list(names.values_list("action", flat=True))


def written() -> Any:
    return Replica.objects.values_list("at", flat=True).get()


class TestReporting:
    def test_a_replica_says_what_it_does(self, scene: Scene) -> None:
        scene.tick()
        row = replicas_alive().get()
        assert (row.pool, row.cpu, row.memory, row.loaded) == ("gpu", "abc", 7, [LOADED])
        breaker = row.breakers[0]
        assert (breaker["state"], breaker["forced"], breaker["rule"]) == ("closed", None, None)
        assert "seconds" not in breaker

    def test_it_writes_every_few_seconds_while_nothing_changes(self, scene: Scene) -> None:
        scene.tick()
        first = written()
        scene.loaded[0]["in_flight"] = 3
        scene.tick()
        assert written() == first
        scene.tick(WRITE_EVERY)
        assert written() > first

    @pytest.mark.parametrize("change", ["loaded", "breaker"])
    def test_it_writes_at_once_when_something_changed(self, scene: Scene, change: str) -> None:
        scene.tick()
        first = written()
        if change == "loaded":
            scene.loaded.clear()
        else:
            scene.fail()
        scene.tick()
        assert written() > first

    def test_it_looks_no_more_often_than_it_must(self, scene: Scene) -> None:
        for _ in range(20):
            scene.tick(LOOK_EVERY / 10)
        assert scene.asked == 2

    def test_what_was_not_written_is_written_later(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*args: Any, **kwargs: Any) -> None:
            raise OSError("the database is away")

        scene.fail()
        with monkeypatch.context() as patch:
            patch.setattr("inference.replicas.emit", away)
            with pytest.raises(OSError, match="away"):
                scene.tick()
        assert not Replica.objects.exists()
        scene.tick()
        assert events() == ["breaker.opened"]

    def test_who_is_silent_is_gone_and_one_day_forgotten(self, scene: Scene) -> None:
        for name, age in (("quiet", timedelta(seconds=20)), ("old", timedelta(days=2))):
            then = timezone.now() - age
            Replica.objects.create(name=name, cpu="abc", started_at=then, at=then)
        scene.tick()
        assert [row.name for row in replicas_alive()] == [scene.reporter.name]
        assert not Replica.objects.filter(name="old").exists()
        assert Replica.objects.filter(name="quiet").exists()


class TestWhatHappenedByItself:
    def test_opening_and_closing_are_told_once(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        scene.fail()
        scene.tick()
        scene.tick(WRITE_EVERY)
        scene.recover()
        scene.tick()
        scene.tick(WRITE_EVERY)
        assert events() == ["breaker.opened", "breaker.closed"]
        warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert warnings == ["breaker.opened: digits/1.0.0", "breaker.closed: digits/1.0.0"]
        event = AuditEvent.objects.get(action="breaker.opened")
        assert (event.subject, event.actor, event.team and event.team.name) == (
            *("digits/1.0.0", "system"),
            "alpha",
        )
        assert event.data["replica"] == scene.reporter.name
        assert (event.data["rule"], event.data["errors"]) == (ERROR_COUNT, 1)

    def test_being_tried_and_failing_again_is_no_news(self, scene: Scene) -> None:
        scene.fail()
        for _ in range(3):
            scene.tick(RULE.open_s)
            scene.fail()
            scene.tick()
        assert events() == ["breaker.opened"]

    def test_what_an_operator_forces_did_not_happen_by_itself(self, scene: Scene) -> None:
        scene.fail()
        scene.tick()
        for to in ("open", "closed", ""):
            scene.breaker.force(to)
            scene.tick()
        assert events() == ["breaker.opened"]

    def test_a_version_that_left_did_not_close(self, scene: Scene) -> None:
        scene.fail()
        scene.tick()
        scene.has_breaker = False
        scene.tick()
        assert events() == ["breaker.opened"]


class TestForcing:
    def test_it_is_kept_told_and_followed(
        self, scene: Scene, owner: User, client_of: Callable[[User], APIClient]
    ) -> None:
        client, before = client_of(owner), revision_current()
        for force in ("open", "closed", None):
            answer = client.put(PATH, {"force": force}, format="json")
            assert (answer.status_code, answer.json()["forced"]) == (200, force)
            route = routes_load().models["digits"].resolve("1.0.0")
            assert route.forced == (force or "")
            assert revision_current() > before
            before = revision_current()
        assert events() == ["breaker.forced"] * 3
        first = AuditEvent.objects.filter(action="breaker.forced").order_by("pk")[0]
        assert (first.subject, first.data) == ("digits/1.0.0", {"from": None, "to": "open"})

    def test_the_same_again_is_no_news(
        self, version: ModelVersion, owner: User, client_of: Callable[[User], APIClient]
    ) -> None:
        for _ in range(2):
            answer = client_of(owner).put(PATH, {"force": "open"}, format="json")
            assert answer.status_code == 200
        assert events() == ["breaker.forced"]

    def test_a_version_that_is_not_ready_has_none(
        self, alpha: Team, owner: User, client_of: Callable[[User], APIClient]
    ) -> None:
        publish(make_model(alpha))
        answer = client_of(owner).put(PATH, {"force": "open"}, format="json")
        assert answer.status_code == 409

    @pytest.mark.parametrize(
        "body", [{}, {"force": "half-open"}, {"force": ""}, {"force": True}, {"other": 1}, [1]]
    )
    def test_what_is_no_state_is_refused(
        self,
        version: ModelVersion,
        owner: User,
        client_of: Callable[[User], APIClient],
        body: Any,
    ) -> None:
        assert client_of(owner).put(PATH, body, format="json").status_code == 400

    def test_each_replica_is_seen(
        self, scene: Scene, owner: User, client_of: Callable[[User], APIClient]
    ) -> None:
        scene.fail()
        scene.tick()
        said = client_of(owner).get(PATH).json()
        assert said["forced"] is None
        (stand,) = said["replicas"]
        assert (stand["replica"], stand["state"]) == (scene.reporter.name, "open")
        assert (stand["calls"], stand["rule"]["strategy"]) == (1, ERROR_COUNT)


SEES = {"owner": 200, "developer": 200, "viewer": 200, "outsider": 404, "admin": 200}
FORCES = {"owner": 200, "developer": 403, "viewer": 403, "outsider": 404, "admin": 200}
READS_REPLICAS = {"owner": 403, "developer": 403, "viewer": 403, "outsider": 403, "admin": 200}


@pytest.mark.parametrize("person", [*CAST, "admin", "anonymous"])
def test_each_of_the_cast_may_do_what_the_tables_say(
    person: str, scene: Scene, client_of: Callable[[User], APIClient]
) -> None:
    scene.tick()
    if person == "anonymous":
        client = APIClient()
    else:
        client = client_of(enter_admin() if person == "admin" else enter(person))
    assert client.get(PATH).status_code == SEES.get(person, 401)
    forced = client.put(PATH, {"force": "open"}, format="json")
    assert forced.status_code == FORCES.get(person, 401)
    assert client.get("/api/v1/replicas/").status_code == READS_REPLICAS.get(person, 401)


def test_a_key_sees_but_does_not_force(version: ModelVersion, admin: User, alpha: Team) -> None:
    _, secret = key_create(
        principal=SYSTEM, team=alpha, name="app", actions=["read", "predict", "publish"]
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    assert client.get(PATH).status_code == 200
    assert client.put(PATH, {"force": "open"}, format="json").status_code == 403
    assert client.get("/api/v1/replicas/").status_code == 403


def test_administrators_list_the_replicas(
    scene: Scene, admin: User, client_of: Callable[[User], APIClient]
) -> None:
    scene.fail()
    scene.tick()
    (row,) = client_of(admin).get("/api/v1/replicas/").json()["results"]
    assert (row["name"], row["pool"], row["loaded"]) == (scene.reporter.name, "gpu", [LOADED])
    assert row["breakers"][0]["state"] == "open"
    assert "replica" not in row["breakers"][0]
