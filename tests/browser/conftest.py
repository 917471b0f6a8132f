"""A Chromium of the system, and the report of a made-up run opened in it from disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from run_folder import write_run_folder

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Opened:
    """A page with everything it said and asked for."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from augtune.reporting.html import report

    return report(write_run_folder(tmp_path_factory.mktemp("runs") / "helpdesk"))


# Not for the session: Playwright keeps an event loop running in this thread for as long as it is open.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium on the path ({', '.join(PROGRAMS)})")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opening(chromium: Any, report_file: Path) -> Callable[..., Any]:
    @contextmanager
    def open_report(**context: Any) -> Iterator[Opened]:
        settings = {"viewport": {"width": 1280, "height": 900}, **context}
        tab = chromium.new_context(**settings)
        page = tab.new_page()
        page.set_default_timeout(15_000)
        opened = Opened(page)
        page.on("console", lambda message: opened.messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: opened.messages.append(f"error: {error}"))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(report_file.as_uri())
        page.wait_for_selector("html[data-charts=drawn]")
        yield opened
        tab.close()

    return open_report


@pytest.fixture(scope="module")
def shared(opening: Callable[..., Any]) -> Iterator[Opened]:
    with opening() as opened:
        yield opened


@pytest.fixture
def page(shared: Opened) -> Any:
    """The shared page with the row browser as it was at first."""
    shared.page.evaluate("document.querySelector('#browser form').reset()")
    shared.page.locator("select[name=fate]").dispatch_event("change")
    return shared.page
