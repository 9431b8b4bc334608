"""Files on their way from a real browser: several, paused, resumed, cut off, dropped."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.contract.calls import unique
from tests.contract.making import tiny_onnx
from tests.e2e.conftest import Visit

ALLOW = """
import django
django.setup()
from registry.parts_s3 import cors_allow
cors_allow(["{origin}"])
"""
MIB = 1024 * 1024
PART = re.compile(r"(?:/parts/|partNumber=)(\d+)")
DROP = """([input, files]) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.querySelector(input).dispatchEvent(
      new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
  }
}"""


@dataclass
class Parts:
    """How often a page sends each part; all but the first are held back while `holding`."""

    page: Page
    holding: bool = True
    sent: Counter[str] = field(default_factory=Counter)
    held: list[Route] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.route(PART, self._handle)

    def _handle(self, route: Route) -> None:
        found = PART.search(route.request.url)
        number = found[1] if found and route.request.method == "PUT" else ""
        if self.holding and number not in ("", "1"):
            self.held.append(route)
            return
        self.sent.update([number] if number else [])
        route.continue_()

    def cut(self) -> None:
        """What is held back does not arrive."""
        for route in self.held:
            route.abort("internetdisconnected")
        self.held.clear()


def line(page: Page, name: str) -> Locator:
    return page.locator("#publish-files li:visible", has_text=name)


def is_in(page: Page, name: str, state: str) -> None:
    expect(line(page, name)).to_have_attribute("data-state", state, timeout=20_000)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of three parts."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(11 * MIB))
    return path


def test_an_upload_is_paused_reloaded_cut_off_and_arrives_once(visit: Visit, large: Path) -> None:
    visit.sign_in("developer")
    page, parts = visit.page, Parts(visit.page)
    visit.open("/publish/")
    page.set_input_files("#publish-file", large)
    expect(line(page, large.name)).to_contain_text("of 11.5 MB")
    page.wait_for_function("document.querySelector('#publish-files .hub-bar').ariaValueNow >= 40")
    page.get_by_role("button", name="Pause large.bin").click()
    is_in(page, large.name, "paused")
    page.get_by_role("button", name="Resume large.bin").click()
    is_in(page, large.name, "sending")
    page.fill("#publish-description", "What is typed stays.")

    page.reload()
    is_in(page, large.name, "unfinished")
    expect(line(page, large.name)).to_contain_text("45 % arrived earlier")
    expect(page.locator("#publish-description")).to_have_value("What is typed stays.")
    parts.held.clear()
    page.set_input_files("#publish-file", large)
    is_in(page, large.name, "sending")

    page.context.set_offline(True)
    parts.cut()
    is_in(page, large.name, "waiting")
    expect(line(page, large.name)).to_contain_text("no connection")
    parts.cut()  # what was on its way to be held back
    parts.holding = False
    page.context.set_offline(False)
    is_in(page, large.name, "done")
    assert parts.sent == {"1": 1, "2": 1, "3": 1}

    page.reload()  # what has arrived is still there
    is_in(page, large.name, "done")
    assert parts.sent == {"1": 1, "2": 1, "3": 1}
    page.get_by_role("button", name="Remove large.bin").click()
    expect(line(page, large.name)).to_have_count(0)
    assert not visit.overflows()


def test_several_files_are_dropped_and_the_rest_is_told(visit: Visit) -> None:
    visit.sign_in("developer")
    page = visit.page
    visit.open("/publish/")
    page.evaluate(DROP, ["#publish", [["a.txt", "first"], ["b.txt", "second"], ["empty", ""]]])
    is_in(page, "a.txt", "done")
    is_in(page, "b.txt", "done")
    is_in(page, "empty", "failed")
    page.click("#publish-send")
    expect(page.locator("[data-error=file]")).to_contain_text("did not arrive")
    for name in ("a.txt", "b.txt", "empty"):
        page.get_by_role("button", name=f"Remove {name}").click()
    expect(page.locator("#publish-files li:visible")).to_have_count(0)


@pytest.mark.parametrize("visit", [("en-US", 390)], indirect=True)
def test_a_version_is_published_before_its_files_have_arrived(visit: Visit, tmp_path: Path) -> None:
    visit.sign_in("developer")
    page, name = visit.page, unique("sent")
    visit.open(f"/publish/?model={name}")
    page.select_option("#publish-team", "alpha")
    page.select_option("#publish-task", "tensor")
    page.set_input_files("#publish-file", tiny_onnx(tmp_path / "tiny.onnx"))
    page.get_by_text("Where it comes from").click()
    page.fill("#publish-commit", "3f2c1ab")
    page.fill("#publish-card", "# Tiny\n\n<img src=x onerror=alert(1)> **bold**")
    page.get_by_text("More: metrics").click()
    page.fill("#publish-metrics", '{"top1": 0.9}')
    page.fill("#publish-parameters", "[1]")
    page.click("#publish-send")
    expect(page.locator("[data-error=parameters]")).to_contain_text("JSON object")
    page.fill("#publish-parameters", '{"lr": 0.1}')
    page.click("#publish-send")
    page.wait_for_url(f"**/models/{name}/versions/1.0.0/")
    expect(page.locator("#state")).to_have_text("ready", timeout=60_000)
    expect(page.locator(".hub-prose strong")).to_have_text("bold")
    expect(page.locator(".hub-prose img")).to_have_count(0)
    expect(page.get_by_text("3f2c1ab")).to_be_visible()
    page.get_by_text("Fetch it with dvc pull").click()
    expect(page.locator("#dvc-details pre").last).to_contain_text("path: tiny.onnx")
    assert not visit.overflows()
    assert visit.wrong == []
