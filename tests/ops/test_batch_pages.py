"""The console's pages of batch jobs: the list, a job, and the form that makes one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from inference.models import BatchJob
from registry.models import ModelVersion, Team, WorkerHeartbeat
from registry.processing.worker import BATCH
from registry.storage import blob_storage
from tests.ops.batch_making import REPORT, give_output, make_job
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
JOBS = "/batch-jobs/"
SCRIPT = "<script>alert(1)</script>"
As = Callable[[User], Client]


@pytest.fixture
def version(alpha: Team) -> ModelVersion:
    return make_ready(publish(make_model(alpha)))


@pytest.fixture
def as_() -> As:
    """`as_(user)`: a browser in which that user is signed in."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def as_owner(as_: As, owner: User) -> Client:
    return as_(owner)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def listed(client: Client, query: str = "") -> list[int]:
    answer = client.get(f"{JOBS}{query}")
    assert answer.status_code == 200
    return [job.pk for job in answer.context["cl"].result_list]


class TestList:
    def test_an_empty_one_says_what_jobs_are(self, as_owner: Client) -> None:
        text = text_of(as_owner, JOBS)
        assert "A batch job runs a model over a whole file" in text
        assert text.count("/batch-jobs/new/") == 2  # over it, and in it

    def test_jobs_of_others_are_not_in_it(
        self, as_: As, version: ModelVersion, beta: Team, viewer: User, outsider: User, admin: User
    ) -> None:
        theirs = make_job(make_ready(publish(make_model(beta, "letters")))).pk
        ours = make_job(version).pk
        found = {who: listed(as_(user)) for who, user in (("v", viewer), ("o", outsider))}
        assert found == {"v": [ours], "o": [theirs]}
        assert listed(as_(admin)) == [ours, theirs]

    def test_it_is_filtered_and_searched(
        self, as_owner: Client, owner: User, version: ModelVersion, alpha: Team
    ) -> None:
        other = make_ready(publish(make_model(alpha, "letters")))
        failed = make_job(version, state="failed", input_name="march.csv").pk
        mine = make_job(other, by=owner, state="running").pk
        queries = {
            "": [mine, failed],
            "?state=failed": [failed],
            "?model=letters": [mine],
            "?team=alpha": [mine, failed],
            "?team=beta": [],
            "?made=me": [mine],
            "?q=march": [failed],
            "?q=letters": [mine],
            "?q=march+letters": [],
        }
        assert {query: listed(as_owner, query) for query in queries} == queries

    def test_it_shows_how_far_jobs_are(self, as_owner: Client, version: ModelVersion) -> None:
        make_job(version, state="running", total=4000, done=1000, failed=2)
        text = text_of(as_owner, JOBS)
        assert "1,002 of 4,000 · 2 failed" in text
        assert 'aria-valuenow="25"' in text
        assert 'data-going="true"' in text

    @pytest.mark.parametrize(("state", "said"), [("running", True), ("succeeded", False)])
    def test_it_says_that_no_worker_is_there_for_what_waits(
        self, as_owner: Client, version: ModelVersion, state: str, said: bool
    ) -> None:
        make_job(version, state=state)
        assert ("No batch worker is alive" in text_of(as_owner, JOBS)) is said


OFFERED = {
    "pause": "/pause/",
    "resume": "/resume/",
    "cancel": "/cancel/",
    "retry": "/retry/",
    "clone": "/clone/",
}


def offered(client: Client, job: BatchJob) -> set[str]:
    text = text_of(client, f"{JOBS}{job.pk}/")
    return {name for name, path in OFFERED.items() if f"{JOBS}{job.pk}{path}" in text}


class TestJob:
    @pytest.mark.parametrize(
        ("fields", "may"),
        [
            ({"state": "queued"}, {"pause", "cancel"}),
            ({"state": "running"}, {"pause", "cancel"}),
            ({"state": "paused"}, {"resume", "cancel"}),
            ({"state": "succeeded"}, {"clone"}),
            ({"state": "succeeded", "failed": 1}, {"clone", "retry"}),
            ({"state": "failed"}, {"clone", "retry"}),
            ({"state": "cancelled"}, {"clone", "retry"}),
            ({"state": "failed", "cleared": True}, set()),
            ({"state": "failed", "model": None, "version": None}, set()),
            ({"state": "failed", "prefix": ""}, set()),
        ],
    )
    def test_what_may_be_done_with_it_is_offered(
        self, as_owner: Client, version: ModelVersion, fields: dict[str, Any], may: set[str]
    ) -> None:
        assert offered(as_owner, make_job(version, **fields)) == may

    def test_only_who_made_it_and_who_publishes_steer_it(
        self, as_: As, viewer: User, developer: User, version: ModelVersion
    ) -> None:
        theirs, own = make_job(version), make_job(version, by=viewer)
        assert offered(as_(viewer), theirs) == set()
        assert offered(as_(viewer), own) == {"pause", "cancel"}
        assert offered(as_(developer), own) == {"pause", "cancel"}
        assert as_(viewer).post(f"{JOBS}{theirs.pk}/pause/").status_code == 403
        assert as_(viewer).post(f"{JOBS}{theirs.pk}/cancel/").status_code == 403

    def test_it_is_paused_resumed_and_cancelled(
        self, as_owner: Client, version: ModelVersion
    ) -> None:
        job = make_job(version, state="running")

        def post(action: str) -> tuple[str, str]:
            answer = as_owner.post(f"{JOBS}{job.pk}/{action}/", follow=True)
            [(where, _)] = answer.redirect_chain
            assert f'id="{where.partition("#")[2]}"' in answer.content.decode()
            job.refresh_from_db()
            return job.state, " ".join(str(message) for message in answer.context["messages"])

        assert post("pause") == ("paused", "The job is paused; what is under way is finished.")
        assert post("pause") == ("paused", "The job is paused; it cannot be paused.")
        assert post("resume") == ("running", "The job goes on.")
        assert "Let it run" in text_of(as_owner, f"{JOBS}{job.pk}/cancel/")
        assert post("cancel") == ("cancelled", "The job is cancelled.")
        assert post("cancel")[1] == "The job is cancelled; there is nothing to cancel."
        assert post("retry")[0] == "running"

    def test_its_state_is_said_as_one_of_jobs(
        self, as_owner: Client, version: ModelVersion
    ) -> None:
        job = make_job(version, state="cancelled")
        text = as_owner.get(f"{JOBS}{job.pk}/", headers={"Accept-Language": "zh-hans"}).content
        assert "已取消" in text.decode()
        assert f"<title> 批处理作业 #{job.pk} |" in text.decode()

    def test_it_runs_again(self, as_owner: Client, owner: User, version: ModelVersion) -> None:
        job = make_job(version, state="succeeded", output_format="csv")
        answer = as_owner.post(f"{JOBS}{job.pk}/clone/")
        again = BatchJob.objects.get(cloned_from=job)
        assert answer["Location"] == f"{JOBS}{again.pk}/"
        assert (again.owner, again.output_format) == (f"user:{owner.pk}", "csv")
        assert f"#{job.pk}" in text_of(as_owner, f"{JOBS}{again.pk}/")

    @pytest.mark.parametrize("action", ["burn", "output", "new"])
    def test_there_is_no_other_action(
        self, as_owner: Client, version: ModelVersion, action: str
    ) -> None:
        assert as_owner.post(f"{JOBS}{make_job(version).pk}/{action}/").status_code == 404

    @pytest.mark.parametrize("number", [0, 10**30])
    def test_one_that_is_not_there_is_404(self, as_owner: Client, number: int) -> None:
        assert as_owner.get(f"{JOBS}{number}/").status_code == 404

    def test_why_it_failed_and_what_the_first_rows_showed(
        self, as_owner: Client, version: ModelVersion
    ) -> None:
        job = make_job(
            version,
            state="failed",
            failed=3,
            input_name=SCRIPT,
            reason_message="No %(what)s.",
            reason_values={"what": SCRIPT},
            report=REPORT,
            errors=[["row 7", SCRIPT]],
        )
        text = text_of(as_owner, f"{JOBS}{job.pk}/")
        assert SCRIPT not in text
        for shown in ("No &lt;script&gt;", "“&lt;b&gt;x&lt;/b&gt;” is gone.", "row 7", "1 of 3"):
            assert shown in text
        assert "4 tried, 1 failed" in text

    def test_it_says_within_seconds_that_no_worker_is_there(
        self, as_owner: Client, version: ModelVersion
    ) -> None:
        path = f"{JOBS}{make_job(version).pk}/"
        assert "ops.launch.container batch" in text_of(as_owner, path)
        WorkerHeartbeat.objects.create(name="b", queue=BATCH, at=timezone.now())
        assert "ops.launch.container batch" not in text_of(as_owner, path)

    def test_its_options_and_its_plan_are_shown(
        self, as_owner: Client, version: ModelVersion
    ) -> None:
        options = {"columns": {"x": ["a", "b"]}, "roots": ["secret/"]}
        plan = {"batch": 64, "chunk_rows": 4096, "variant": {"name": "openvino-bf16"}}
        job = make_job(version, options=options, plan=plan, chunks=3)
        text = text_of(as_owner, f"{JOBS}{job.pk}/")
        for shown in ("{&quot;x&quot;: [&quot;a&quot;, &quot;b&quot;]}", "4096", "openvino-bf16"):
            assert shown in text
        assert "secret/" not in text


class TestOutput:
    def test_its_first_rows_are_shown(self, as_owner: Client, version: ModelVersion) -> None:
        job = make_job(version)
        rows = [
            {"key": n, "predictions": [[n] * 400], "version": "1.0.0", "error": None}
            for n in range(12)
        ]
        rows[3] = {"key": 3, "predictions": None, "version": "1.0.0", "error": SCRIPT}
        give_output(job, rows)
        answer = as_owner.get(f"{JOBS}{job.pk}/")
        preview = answer.context["preview"]
        assert [row["key"] for row in preview] == list(range(10))
        assert len(preview[0]["text"]) < 400
        text = answer.content.decode()
        assert "The first 10 of 12 rows." in text
        assert "a" * 64 in text
        assert f"/api/v1/batch-jobs/{job.pk}/output/" in text
        assert SCRIPT not in text

    def test_classes_are_shown_by_name(self, as_owner: Client, version: ModelVersion) -> None:
        job = make_job(version)
        classes = [{"label": name, "score": 0.25} for name in ("cat", "dog", "cow", "owl")]
        row = {"key": "a.png", "predictions": classes, "version": "1.0.0", "error": None}
        give_output(job, [row], classes=True, numbered=False)
        text = text_of(as_owner, f"{JOBS}{job.pk}/")
        assert "cow <i>25.0 %</i>" in text
        assert "owl" not in text

    def test_a_lost_one_is_told(self, as_owner: Client, version: ModelVersion) -> None:
        job = make_job(version)
        give_output(job, [{"key": 1, "predictions": [1], "version": "1.0.0", "error": None}])
        blob_storage().delete(job.output["key"])
        assert "cannot be shown now" in text_of(as_owner, f"{JOBS}{job.pk}/")

    def test_a_removed_one_is_told(self, as_owner: Client, version: ModelVersion) -> None:
        job = make_job(version, state="succeeded", cleared=True)
        assert "was removed when its time was over" in text_of(as_owner, f"{JOBS}{job.pk}/")


class TestEvents:
    """What a browser's EventSource asks for: it sends cookies and no other header."""

    def events(self, client: Client, job: BatchJob) -> Any:
        path = f"/api/v1/batch-jobs/{job.pk}/events/"
        return client.get(path, headers={"Accept": "text/event-stream"})

    def test_a_session_is_enough(self, as_owner: Client, version: ModelVersion) -> None:
        answer = self.events(as_owner, make_job(version, state="succeeded"))
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/event-stream"
        answer.close()

    def test_others_learn_nothing(self, as_: As, outsider: User, version: ModelVersion) -> None:
        job = make_job(version)
        answer = self.events(as_(outsider), job)
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
        assert self.events(Client(), job).status_code == 401


class TestForm:
    def test_it_offers_what_one_may_call(
        self, as_: As, version: ModelVersion, viewer: User, outsider: User, alpha: Team
    ) -> None:
        make_model(alpha, "open", shared=True)
        found = {
            user.username: list(as_(user).get(f"{JOBS}new/").context["models"])
            for user in (viewer, outsider)
        }
        assert found == {"viewer": ["digits", "open"], "outsider": ["open"]}

    def test_who_may_call_nothing_is_told_so(self, as_: As, outsider: User) -> None:
        assert "no model that you may call" in text_of(as_(outsider), f"{JOBS}new/")

    def test_it_names_the_prefixes_one_may_read(
        self, as_: As, version: ModelVersion, viewer: User, admin: User
    ) -> None:
        assert as_(viewer).get(f"{JOBS}new/").context["roots"] == ["inputs/alpha/"]
        assert as_(admin).get(f"{JOBS}new/").context["roots"] == []

    def test_a_link_fills_it_in(self, as_owner: Client, version: ModelVersion) -> None:
        text = text_of(as_owner, f"{JOBS}new/?model=digits&version=1.0.0")
        assert 'value="digits"' in text
        assert 'data-version="1.0.0"' in text

    def test_the_pages_of_models_and_versions_lead_to_it(
        self, as_owner: Client, version: ModelVersion
    ) -> None:
        for path in ("/models/digits/", "/models/digits/versions/1.0.0/"):
            assert "/batch-jobs/new/?model=digits" in text_of(as_owner, path)


def test_the_overview_counts_jobs_under_way(as_owner: Client, version: ModelVersion) -> None:
    for state in ("queued", "running", "paused", "succeeded"):
        make_job(version, state=state)
    assert as_owner.get("/").context["jobs_count"] == 3
