"""Batch jobs in a real browser: made, watched to their end, fetched; and a worker that is gone."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.contract.batching import JOBS, json_lines, started, succeeded
from tests.contract.calls import published, unique
from tests.contract.making import tiny_onnx
from tests.e2e.conftest import PROCESSED_WITHIN, Visit
from tests.hub import Hub

Visiting = Callable[[str], Visit]
WITHIN = PROCESSED_WITHIN * 1000
ROWS = 3000


@pytest.fixture(scope="module")
def numbers(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of team alpha: y = x + 1 on four numbers."""
    name = unique("batch-console")
    file = tiny_onnx(tmp_path_factory.mktemp("onnx") / "tiny.onnx")
    published(hub, name, "1.0.0", file, task="tensor", team="alpha")
    return name


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Lines of numbers, the last of them none."""
    file = tmp_path / "rows.jsonl"
    file.write_bytes(json_lines([[float(n), 0.0, 0.0, 1.0] for n in range(ROWS - 1)] + ["none"]))
    return file


def state(page: Page) -> Locator:
    return page.locator(".hub-head .hub-badge")


@pytest.mark.parametrize("visit", [("en-US", 1440), ("en-US", 390)], indirect=True)
def test_a_job_is_made_watched_to_its_end_and_fetched(
    hub: Hub, visit: Visit, numbers: str, rows: Path, tmp_path: Path
) -> None:
    visit.sign_in("viewer")  # who may call a model may make a job, and upload its input
    page = visit.page
    visit.open(f"/models/{numbers}/versions/1.0.0/")
    page.get_by_role("link", name="Run a batch job").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(numbers)
    expect(page.get_by_label("Version", exact=True)).to_have_value("version:1.0.0")
    page.set_input_files("#batch-file", rows)
    page.get_by_text("More: columns").click()
    page.fill("#batch-columns", "[1]")
    page.get_by_role("button", name="Start the job").click()
    expect(page.locator('[data-error="columns"]')).to_have_text("This is not a JSON object.")
    assert not visit.overflows()
    page.fill("#batch-columns", "")
    page.get_by_role("button", name="Start the job").click()
    page.wait_for_url(re.compile(r"/batch-jobs/\d+/$"))
    page.evaluate("window.stays = true")

    expect(state(page)).to_have_text("succeeded", timeout=WITHIN)
    assert page.evaluate("window.stays")
    expect(page.locator("#preview tbody tr")).to_have_count(10)
    expect(page.locator("#preview tbody tr").first).to_contain_text("[1.0, 1.0, 1.0, 2.0]")
    expect(page.locator("section", has_text="Rows that failed").first).to_contain_text(str(ROWS))
    expect(page.get_by_role("button", name="Retry failed rows")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download").click()
    downloading.value.save_as(tmp_path / "output.jsonl")
    output = [json.loads(line) for line in (tmp_path / "output.jsonl").read_bytes().splitlines()]
    assert len(output) == ROWS
    assert output[5]["predictions"] == [6.0, 1.0, 1.0, 2.0]
    assert not visit.overflows()
    assert (visit.wrong, visit.elsewhere()) == ([], [])


def test_what_the_hub_refuses_is_told_in_the_form(
    hub: Hub, visiting: Visiting, numbers: str
) -> None:
    visit = visiting("viewer")
    page = visit.page
    visit.open(f"/batch-jobs/new/?model={numbers}")
    page.get_by_label("objects in the bucket").check()
    page.get_by_role("button", name="Start the job").click()
    prefix = page.get_by_label("Prefix")
    expect(prefix).to_be_focused()
    expect(prefix).to_have_accessible_description(re.compile("Name the prefix"))
    page.get_by_label("Prefix").fill("uploads/")
    page.get_by_role("button", name="Start the job").click()
    expect(page.locator("#batch-error")).to_contain_text("is the hub's own")
    page.get_by_label("Prefix").fill("inputs/alpha/")
    page.get_by_text("More: columns").click()
    page.get_by_label("Encoding").fill("utf-99")
    page.get_by_role("button", name="Start the job").click()
    expect(page.locator('[data-error="encoding"]')).to_contain_text("no such encoding")
    expect(page.locator("#batch-error")).not_to_contain_text("hub's own")


def test_that_no_batch_worker_is_there_is_said_on_the_open_page(
    hub: Hub, visiting: Visiting, numbers: str
) -> None:
    client = hub.client("owner")
    hub.kill_batch_worker()
    try:
        job = started(client, numbers, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]] * 10))
        of_job, of_list = visiting("owner"), visiting("viewer")
        of_job.open(f"/batch-jobs/{job['id']}/")
        of_list.open("/batch-jobs/")
        for visit in (of_job, of_list):
            visit.page.evaluate("window.stays = true")
        hub.age_heartbeats("batch")
        for visit in (of_job, of_list):
            banner = visit.page.locator("#stalled")
            expect(banner).to_contain_text("ops.launch.container batch", timeout=15_000)
            expect(banner).to_be_visible()
    finally:
        hub.restart_batch_worker()
    succeeded(hub, job["id"])
    row = of_list.page.locator("tr", has_text=f"#{job['id']}")
    expect(state(of_job.page)).to_have_text("succeeded", timeout=15_000)
    expect(row.locator(".hub-badge")).to_have_text("succeeded", timeout=15_000)
    for visit in (of_job, of_list):
        expect(visit.page.locator("#stalled")).not_to_be_visible()
        assert visit.page.evaluate("window.stays")
        assert visit.wrong == []


def test_a_job_is_cancelled_with_a_question_and_retried(
    hub: Hub, visiting: Visiting, numbers: str
) -> None:
    client = hub.client("owner")
    hub.kill_batch_worker()
    try:
        job = started(client, numbers, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]] * 10))
        visit = visiting("developer")
        page = visit.page
        visit.open(f"/batch-jobs/{job['id']}/")
        asking, dialog = page.get_by_role("link", name="Cancel the job"), page.get_by_role("dialog")
        for leaving in ("Escape", "Enter"):
            asking.press("Enter")
            expect(dialog.get_by_role("link", name="Let it run")).to_be_focused()
            page.keyboard.press(leaving)
            expect(asking).to_be_focused()
            expect(dialog).to_have_count(0)
        asking.press("Enter")
        dialog.get_by_role("button", name="Cancel the job").press("Enter")
        expect(state(page)).to_have_text("cancelled")
        assert client.get(f"{JOBS}{job['id']}/").json()["state"] == "cancelled"
        retry = page.get_by_role("button", name="Retry")
        expect(retry).to_be_focused()
        retry.press("Space")
        expect(state(page)).to_have_text("queued")
        expect(page.get_by_role("button", name="Pause")).to_be_focused()
    finally:
        hub.restart_batch_worker()
    expect(state(page)).to_have_text("succeeded", timeout=WITHIN)
    expect(page.get_by_role("heading", name="Batch job")).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("succeeded")
    assert visit.wrong == []


def test_a_form_that_is_sent_twice_makes_one(hub: Hub, visiting: Visiting, numbers: str) -> None:
    visit = visiting("developer")
    page, name = visit.page, unique("twice")
    visit.open("/batch-schedules/new/")
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()  # what is wrong first
    expect(page.get_by_label("Name", exact=True)).to_have_accessible_description(
        re.compile("This field is required.")
    )
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Model", exact=True).fill(numbers)
    page.get_by_label("Prefix of the bucket").fill("inputs/alpha/")
    page.get_by_label("When (cron)").fill("0 3 * * *")
    page.get_by_role("button", name="Make the schedule").evaluate(
        "(button) => { button.click(); button.click(); setTimeout(() => button.click(), 30); }"
    )
    page.wait_for_url(re.compile(r"/batch-schedules/\d+/$"))
    found = hub.client("developer").get("/api/v1/batch-schedules/").json()["results"]
    assert [schedule["name"] for schedule in found].count(name) == 1
    assert visit.wrong == []
