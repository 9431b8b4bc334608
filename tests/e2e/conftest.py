"""A real browser that drives the running hub, and listens for what goes wrong in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

from ops.launch.demo import EXAMPLES
from tests.cast import PASSWORD
from tests.hub import Hub

MODEL = "photographs"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROCESSED_WITHIN = 120.0  # seconds, for real models on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole session: while it runs, this thread has an event loop that is running."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def photographs(hub: Hub) -> str:
    """A model of team alpha with two real versions, both ready."""
    client = hub.client("owner")
    for example in EXAMPLES:
        answer = client.post(
            f"/api/v1/models/{MODEL}/versions/",
            data={**example.fields(), "team": "alpha"},
            files={"file": (example.weights.name, example.weights.read_bytes())},
        )
        assert answer.status_code == 202, answer.text
    for example in EXAMPLES:
        hub.wait_ready(MODEL, example.version, timeout=PROCESSED_WITHIN)
    return MODEL


@dataclass
class Visit:
    """A page of the browser, signed in or not, with everything that went wrong in it."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._response)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, user: str) -> None:
        self.open("/")
        self.page.fill("#id_username", user)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("#login-form [type=submit]")
        self.page.wait_for_url(f"{self.url}/")

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def elsewhere(self) -> list[str]:
        """What the page loaded from anywhere but the hub."""
        script = "performance.getEntriesByType('resource').map((entry) => entry.name)"
        names: list[str] = self.page.evaluate(script)
        here = (f"{self.url}/", "blob:", "data:")
        return [name for name in names if not name.startswith(here)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what a page still loads when it is left
            self.wrong.append(f"failed: {request.url} ({request.failure})")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: Browser, hub: Hub) -> Iterator[Visit]:
    """A visit in the language and at the width of the `visit` parameter: `("zh-CN", 390)`."""
    language, width = getattr(request, "param", ("en-US", 1440))
    context = browser.new_context(locale=language, viewport={"width": width, "height": 900})
    yield Visit(context.new_page(), hub.url)
    context.close()


@pytest.fixture
def visiting(browser: Browser, hub: Hub) -> Iterator[Callable[[str], Visit]]:
    """`visiting("owner")`: a visit of a person, in a browser of their own."""
    contexts = []

    def sign_in(user: str) -> Visit:
        context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
        contexts.append(context)
        visit = Visit(context.new_page(), hub.url)
        visit.sign_in(user)
        return visit

    yield sign_in
    for context in contexts:
        context.close()
