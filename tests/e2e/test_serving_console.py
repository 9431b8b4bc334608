"""The page of serving in a real browser: a breaker is forced, and let go."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.contract.calls import predict_json, published, unique
from tests.contract.making import tiny_onnx
from tests.e2e.conftest import Visit
from tests.hub import Hub


@pytest.mark.parametrize("visit", [("en-US", 1440), ("en-US", 390)], indirect=True)
def test_an_owner_forces_a_breaker_and_lets_it_go(hub: Hub, visit: Visit, tmp_path: Path) -> None:
    name = unique("forced")
    published(hub, name, "1.0.0", tiny_onnx(tmp_path / "t.onnx"), task="tensor", team="alpha")
    assert predict_json(hub.client("owner"), name, [[0, 0, 0, 0]]).status_code == 200
    visit.sign_in("owner")
    row = visit.page.locator("section", has_text="Circuit breakers").locator("tr", has_text=name)
    hub.wait_until(lambda: _is_listed(visit, name), "the replica to report", 20)

    row.get_by_role("button", name="Force open").click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog).to_contain_text(name)
    assert not visit.overflows()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)

    row.get_by_role("button", name="Force open").click()
    dialog.get_by_role("button", name="Force open").click()
    expect(row).to_contain_text("forced open")
    row.get_by_role("button", name="Let it decide").click()
    dialog.get_by_role("button", name="Let it decide").click()
    expect(row).not_to_contain_text("forced open")
    assert not visit.overflows()
    assert (visit.wrong, visit.elsewhere()) == ([], [])


def _is_listed(visit: Visit, name: str) -> bool:
    visit.open("/serving/")
    return visit.page.locator("section", has_text="Circuit breakers").get_by_text(name).count() > 0
