"""From one version to the next in a real browser: asked for, approved, rolled back, compared."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.contract.calls import published, set_alias, unique
from tests.contract.making import tiny_onnx
from tests.e2e.conftest import Visit
from tests.hub import Hub

SCRIPT = "<script>window.harmed = true</script><img src=x onerror='window.harmed = true'>"
Visiting = Callable[[str], Visit]


@pytest.fixture(scope="module")
def promoted(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of team alpha with two ready versions, the first in production, protected."""
    name, file = unique("promoted"), tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    tiny_onnx(file)
    for version, accuracy in (("1.0.0", 0.9), ("2.0.0", 0.95)):
        metrics = f'{{"accuracy": {accuracy}}}'
        published(hub, name, version, file, task="tensor", team="alpha", metrics=metrics)
    owner = hub.client("owner")
    set_alias(owner, name, "production", "1.0.0")
    card = f"**Good** for tests. {SCRIPT} [link](javascript:window.harmed=true)"
    changes = {"protected_aliases": ["production"], "tags": [name], "card": card}
    answer = owner.patch(f"/api/v1/models/{name}/", json=changes)
    assert answer.status_code == 200, answer.text
    return name


def test_a_protected_alias_is_asked_for_approved_and_rolled_back(
    hub: Hub, visiting: Visiting, promoted: str
) -> None:
    developer = visiting("developer")
    developer.open(f"/models/{promoted}/aliases/production/")
    developer.page.fill("#alias-version", "2.0.0")
    developer.page.fill("#alias-comment", "Five points better.")
    developer.page.get_by_role("button", name="Ask for approval").click()
    expect(developer.page.get_by_text("another owner has to approve")).to_be_visible()
    expect(developer.page.get_by_role("button", name="Approve")).to_have_count(0)

    owner = visiting("owner")
    owner.open("/approvals/")
    owner.page.get_by_role("link", name=f"{promoted} · production").first.click()
    page = owner.page
    expect(page.get_by_text("Five points better.")).to_be_visible()
    expect(page.get_by_text("+0.05")).to_be_visible()
    page.fill("#decide-comment", "Agreed.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved:")).to_be_visible()

    owner.open(f"/models/{promoted}/aliases/production/")
    expect(page.locator("tbody tr").first).to_contain_text("1.0.0 → 2.0.0")
    page.get_by_role("button", name="Roll back").first.click()
    page.fill("#rollback-comment", "Wrong answers.")
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("is back at 1.0.0")).to_be_visible()
    expect(page.locator("tbody tr").first).to_contain_text("rollback")
    page.fill("#then-at", "2001-01-01T00:00")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_text("pointed at nothing then")).to_be_visible()
    assert not owner.overflows()
    assert (owner.wrong, developer.wrong) == ([], [])
    alias = hub.client("owner").get(f"/api/v1/models/{promoted}/aliases/production/").json()
    assert alias["version"] == "1.0.0"


@pytest.mark.parametrize("visit", [("en-US", 1440), ("en-US", 390)], indirect=True)
def test_two_versions_are_chosen_and_compared(visit: Visit, promoted: str) -> None:
    visit.sign_in("viewer")
    page = visit.page
    visit.open(f"/models/{promoted}/")
    button = page.locator("#compare button")
    expect(button).to_be_disabled()
    for version in ("2.0.0", "1.0.0"):
        page.get_by_role("checkbox", name=f"Compare {version}").check()
    button.click()
    page.wait_for_url("**/versions/1.0.0/compare/?with=2.0.0")
    row = page.locator("tr", has_text="accuracy")
    expect(row).to_contain_text("+0.05")
    rows = page.locator("#comparison tr[data-kind]:visible")
    before = rows.count()
    page.get_by_role("button", name="differences only").click()
    assert 0 < rows.count() < before
    assert not visit.overflows()
    assert visit.wrong == []


def test_a_search_is_kept_and_found_again(visit: Visit, promoted: str) -> None:
    visit.sign_in("viewer")
    page, name = visit.page, unique("mine")
    visit.open("/models/")
    page.fill("#searchbar", f"tag:{promoted} and metrics.accuracy > 0.94")
    page.press("#searchbar", "Enter")
    expect(page.locator("tr.data-row")).to_have_count(1)
    page.get_by_role("button", name="Save this search").click()
    page.fill("#save-search-name", name)
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    visit.open("/models/")
    page.get_by_role("link", name=name).click()
    expect(page.locator("tr.data-row")).to_contain_text(promoted)
    page.get_by_role("button", name=f"Delete the search {name}").click()
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    page.fill("#searchbar", "colour:red")
    page.press("#searchbar", "Enter")
    expect(page.get_by_role("alert").first).to_contain_text("colour")
    assert not visit.overflows()


def test_what_is_thrown_away_comes_back(visit: Visit, promoted: str) -> None:
    visit.sign_in("owner")
    page = visit.page
    visit.open(f"/models/{promoted}/versions/1.0.0/delete/")
    expect(page.get_by_text("alias production (1.0.0)")).to_be_visible()
    visit.open(f"/models/{promoted}/versions/2.0.0/delete/")
    page.get_by_role("button", name="Move to the trash").click()
    page.wait_for_url(f"**/models/{promoted}/")
    visit.open("/trash/")
    row = page.locator("tr", has_text=promoted)
    row.get_by_role("button", name="Restore").click()
    page.wait_for_url("**/versions/2.0.0/")
    expect(page.locator("#state")).to_have_text("ready")
    assert not visit.overflows()
    assert visit.wrong == []


def test_a_card_with_scripts_in_it_does_nothing(visit: Visit, promoted: str) -> None:
    visit.sign_in("viewer")
    visit.open(f"/models/{promoted}/")
    expect(visit.page.locator(".hub-prose strong")).to_have_text("Good")
    expect(visit.page.locator(".hub-prose :is(script, img, [onerror])")).to_have_count(0)
    expect(visit.page.locator('.hub-prose a[href^="javascript"]')).to_have_count(0)
    assert visit.page.evaluate("window.harmed") is None
    assert visit.wrong == []
