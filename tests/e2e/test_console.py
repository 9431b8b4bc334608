"""A person at the console, in a real browser, against a running hub with real models."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ops.launch.client import API
from ops.launch.demo import EXAMPLES, LABELS, PHOTOGRAPH
from tests.e2e.conftest import PROCESSED_WITHIN, Visit
from tests.hub import Hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
WAYS = [("en-US", 1440), ("zh-CN", 1440), ("en-US", 390), ("zh-CN", 390)]
NAMES = [f"{language} {width}" for language, width in WAYS]
READY = {"en-US": "ready", "zh-CN": "就绪"}
PAGES = ("/", "/models/", "/versions/", "/publish/", "/api-keys/", "/api-keys/new/", "/audit/")
WEBHOOK_PAGES = ("/webhooks/", "/webhooks/new/", "/account/")
REGISTRY_PAGES = ("/approvals/", "/trash/", "/trash/garbage/")
MORE_PAGES = ("/teams/", "/teams/alpha/", "/users/", "/users/new/", "/password/")


@pytest.mark.parametrize(
    ("visit", "language", "version"),
    [(way, way[0], f"1.{number}.0") for number, way in enumerate(WAYS, start=2)],
    indirect=["visit"],
    ids=NAMES,
)
def test_a_developer_publishes_a_version_and_tries_it(
    visit: Visit, photographs: str, language: str, version: str
) -> None:
    visit.sign_in("developer")
    page = visit.page

    visit.open(f"/models/{photographs}/")
    for example in EXAMPLES:
        row = page.locator("tr", has=page.get_by_role("link", name=example.version, exact=True))
        expect(row.first).to_contain_text(READY[language])

    visit.open(f"/publish/?model={photographs}")
    expect(page.locator("#publish-version")).to_have_value(version)
    page.set_input_files("#publish-file", EXAMPLES[0].weights)
    page.fill("#publish-architecture", EXAMPLES[0].architecture)
    page.set_input_files("#publish-labels-file", LABELS)
    expect(page.locator("#publish-labels")).not_to_be_empty()
    page.click("#publish-send")

    page.wait_for_url(f"**/models/{photographs}/versions/{version}/")
    assert not visit.overflows()
    expect(page.locator("#state")).to_have_text(READY[language], timeout=PROCESSED_WITHIN * 1000)
    expect(page.locator("#steps [data-state=done]")).to_have_count(6)

    page.set_input_files("#try-file", PHOTOGRAPH)
    results = page.locator("#try-results li")
    expect(results).to_have_count(5, timeout=20_000)  # the first answer loads the model
    expect(results.first).to_contain_text("espresso")
    bars = results.locator(".hub-bar").evaluate_all(
        "bars => bars.map((bar) => parseFloat(getComputedStyle(bar).getPropertyValue('--done')))"
    )
    assert bars[0] > 50
    assert bars == sorted(bars, reverse=True)
    expect(page.locator("#try-status")).to_contain_text(version)
    assert not visit.overflows()
    assert visit.elsewhere() == []
    assert visit.wrong == []


@pytest.mark.parametrize("visit", WAYS[:1], indirect=True, ids=NAMES[:1])
def test_samples_are_attached_and_removed(visit: Visit, photographs: str, tmp_path: Path) -> None:
    visit.sign_in("developer")
    page, samples = (
        visit.page,
        visit.page.locator("section", has=visit.page.locator("#samples-title")),
    )
    visit.open(f"/models/{photographs}/")
    no_sample = tmp_path / "text.jpg"
    no_sample.write_text("no picture")
    page.set_input_files("#samples-files", [no_sample, PHOTOGRAPH])
    samples.get_by_role("button", name="Add").click()
    expect(page.locator("#samples-error")).to_contain_text("text.jpg")
    visit.wrong.clear()  # the browser tells of every answer that is an error

    page.set_input_files("#samples-files", PHOTOGRAPH)
    samples.get_by_role("button", name="Add").click()
    expect(samples.locator("tbody tr")).to_contain_text(PHOTOGRAPH.name)
    assert not visit.overflows()
    samples.get_by_role("button", name="Remove").click()
    expect(samples.locator("tbody tr")).to_have_count(0)
    assert visit.wrong == []


@pytest.mark.parametrize("visit", WAYS, indirect=True, ids=NAMES)
def test_every_page_is_sound(visit: Visit, photographs: str) -> None:
    visit.sign_in("admin")
    own = (f"/models/{photographs}/", f"/models/{photographs}/edit/")
    version = f"/models/{photographs}/versions/1.0.0/"
    more = (version, f"{version}edit/", f"{version}compare/?with=1.1.0")
    for path in (*PAGES, *REGISTRY_PAGES, *WEBHOOK_PAGES, *MORE_PAGES, *own, *more):
        visit.open(path)
        expect(visit.page.locator("h1")).not_to_be_empty()
        assert not visit.overflows(), path
        assert visit.elsewhere() == [], path
    assert visit.wrong == []


def test_what_is_wrong_stands_next_to_its_field(visit: Visit, photographs: str) -> None:
    visit.sign_in("developer")
    page = visit.page
    visit.open(f"/publish/?model={photographs}")
    page.click("#publish-send")
    expect(page.locator("[data-error=file]")).not_to_be_empty()
    page.set_input_files("#publish-file", PHOTOGRAPH)
    page.fill("#publish-version", "latest")
    page.click("#publish-send")
    expect(page.locator("[data-error=version]")).to_contain_text("semantic version")
    expect(page.locator("#publish-version")).to_be_focused()
    page.fill("#publish-version", "8.0.0")
    page.click("#publish-send")
    expect(page.locator("#publish-error")).to_contain_text("not a model")
    expect(page.locator("[data-error=version]")).to_be_empty()
    assert page.url.endswith(f"/publish/?model={photographs}")


def test_why_a_version_was_rejected_is_shown_without_a_reload(
    visit: Visit, photographs: str, tmp_path: Path
) -> None:
    visit.sign_in("developer")
    page = visit.page
    visit.open(f"/publish/?model={photographs}")
    page.fill("#publish-version", "9.0.0")
    page.set_input_files("#publish-file", EXAMPLES[0].weights)
    page.fill("#publish-architecture", "resnet18")
    page.click("#publish-send")
    page.wait_for_url("**/versions/9.0.0/")
    page.evaluate("window.stays = true")
    expect(page.locator("#version .hub-alert")).to_contain_text(
        "resnet18", timeout=PROCESSED_WITHIN * 1000
    )
    assert page.evaluate("window.stays")
    assert visit.wrong == []


def test_a_page_says_that_no_worker_is_there_and_that_one_is_again(
    visit: Visit, photographs: str, hub: Hub
) -> None:
    client, path = hub.client("owner"), f"/models/{photographs}/versions/9.1.0/"
    weights = {"file": ("weights.pth", EXAMPLES[0].weights.read_bytes())}
    said = {"version": "9.1.0", "architecture": "resnet18"}
    hub.kill_worker()
    try:
        answer = client.post(f"{API}/models/{photographs}/versions/", data=said, files=weights)
        assert answer.status_code == 202, answer.text
        visit.sign_in("developer")
        visit.open(path)
        visit.page.evaluate("window.stays = true")
        hub.age_heartbeats("celery")
        banner = visit.page.locator("#stalled")
        expect(banner).to_contain_text("ops.launch.container worker", timeout=15_000)
        expect(banner).to_be_visible()
    finally:
        hub.restart_worker()
    expect(banner).not_to_be_visible(timeout=PROCESSED_WITHIN * 1000)
    assert visit.page.evaluate("window.stays")
    assert visit.wrong == []


def test_what_is_no_image_is_told(visit: Visit, photographs: str) -> None:
    visit.sign_in("viewer")
    visit.open(f"/models/{photographs}/versions/1.0.0/")
    page = visit.page
    page.set_input_files("#try-file", [{"name": "a.png", "mimeType": "image/png", "buffer": b"no"}])
    expect(page.locator("#try-error")).to_be_visible()
    page.set_input_files("#try-file", PHOTOGRAPH)
    expect(page.locator("#try-results li").first).to_contain_text("espresso")
    expect(page.locator("#try-error")).to_be_hidden()


def test_an_upload_can_be_cancelled(visit: Visit, photographs: str) -> None:
    visit.sign_in("developer")
    page = visit.page
    page.route("**/api/v1/models/*/versions/", lambda route: None)  # an upload that never ends
    visit.open(f"/publish/?model={photographs}")
    page.set_input_files("#publish-file", EXAMPLES[0].weights)
    page.click("#publish-send")
    page.click("#publish-cancel")
    expect(page.locator("#publish-error")).to_contain_text("nothing was published")
    expect(page.locator("#publish-send")).to_be_enabled()


def test_the_language_switch_holds(visit: Visit) -> None:
    visit.open("/login/")
    page = visit.page
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("#login-form [type=submit]")).to_have_text("登录")
    visit.sign_in("viewer")
    expect(page.locator("h1")).to_have_text("概览")
    page.locator("button[aria-label*=viewer]").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text("Overview")
    assert visit.wrong == []


def test_the_labels_are_those_of_the_file(visit: Visit, photographs: str) -> None:
    visit.sign_in("viewer")
    visit.open(f"/models/{photographs}/versions/1.0.0/")
    first = json.loads(LABELS.read_text())[0]
    expect(visit.page.locator("section", has=visit.page.locator("#labels"))).to_contain_text(first)
