"""`/metrics` of a running hub."""

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.batching import started, succeeded
from tests.contract.calls import predict_json, published, unique
from tests.contract.documented import documented, exposed
from tests.contract.making import tiny_onnx
from tests.hub import Hub

NOT_HERE = {"aihub_certificate_expiry_timestamp_seconds"}  # nobody reaches it over https
FORM = {"version": "1.0.0", "variant": "reference"}


class Page:
    """The page at one moment."""

    def __init__(self, hub: Hub) -> None:
        self.text = hub.anonymous().get("/metrics").text
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        return self._values.get((name, frozenset(labels.items())), 0.0)


@pytest.fixture(scope="module")
def tiny(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that has answered a few predictions and a batch job."""
    name = unique("metrics")
    file = tiny_onnx(tmp_path_factory.mktemp("metrics") / "tiny.onnx")
    published(hub, name, "1.0.0", file, task="tensor")
    for _ in range(3):
        assert predict_json(hub.client(), name, [[1, 2, 3, 4]]).status_code == 200
    return name


def soon(hub: Hub, holds: Callable[[Page], bool]) -> None:
    hub.wait_until(lambda: holds(Page(hub)), "the page to say so", 30)


def test_it_holds_exactly_what_is_documented(hub: Hub, tiny: str) -> None:
    here = {family for family in documented() if family.name not in NOT_HERE}
    soon(hub, lambda page: {f.name for f in here} <= {f.name for f in exposed(page.text)})
    found = exposed(Page(hub).text)
    assert {family.name for family in found} == {family.name for family in here}
    labelled = {family for family in found if family.labels}
    assert labelled <= here
    assert {f.name: f.type for f in found} == {f.name: f.type for f in here}


def test_predictions_are_counted(hub: Hub, tiny: str) -> None:
    page = Page(hub)
    assert page.of("inference_request_count_total", model_name=tiny, status="200") == 3
    assert page.of("inference_requests_total", model_name=tiny, outcome="ok", **FORM) == 3
    for stage in ("preprocess", "queue", "compute", "total"):
        labels = {"model_name": tiny, "stage": stage, **FORM}
        assert page.of("inference_stage_seconds_count", **labels) == 3


def test_what_the_workers_did_is_on_the_same_page(hub: Hub, tiny: str) -> None:
    before = Page(hub)
    rows = b"a,b,c,d\n" + b"1,2,3,4\n" * 50
    job = started(hub.client(), tiny, "rows.csv", rows)
    succeeded(hub, job["id"])

    def grew(page: Page, by: float, name: str, **labels: str) -> bool:
        return page.of(name, **labels) - before.of(name, **labels) == by

    soon(hub, lambda page: grew(page, 50, "aihub_batch_rows_total", outcome="done"))
    page = Page(hub)
    assert grew(page, 1, "aihub_jobs_finished_total", kind="batch-plan", outcome="done")
    assert page.of("aihub_jobs_finished_total", kind="process-version", outcome="done") > 0
    soon(hub, lambda page: page.of("aihub_batch_jobs", state="succeeded") > 0)
    soon(hub, lambda page: page.of("aihub_versions", state="ready") > 0)
    soon(hub, lambda page: page.of("aihub_workers", queue="batch") == 1)
    soon(hub, lambda page: page.of("aihub_broker_up") == page.of("aihub_storage_up") == 1)


def test_a_family_has_one_type_line(hub: Hub, tiny: str) -> None:
    lines = [line for line in Page(hub).text.splitlines() if line.startswith("# TYPE")]
    assert len(lines) == len(set(lines))
