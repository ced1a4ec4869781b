"""A real Chromium, and signing in with it."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.making import PASSWORD

# Playwright keeps an event loop in this thread, and Django would refuse the database beside one.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser that `make test` found or installed."""
    # As root Chromium has no sandbox; it only ever opens pages of this test.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=flags
        )
        yield chromium
        chromium.close()


@pytest.fixture
def sign_in(browser: Browser, platform: str) -> Iterator[Callable[..., Page]]:
    """`sign_in(email, width=1440)` gives a page of that person; blocked items and script errors fail the test."""
    pages: list[Page] = []
    complaints: list[str] = []

    def signed_in(email: str, *, width: int = 1440) -> Page:
        page = browser.new_context(viewport={"width": width, "height": 900}, base_url=platform).new_page()
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/accounts/login/")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        pages.append(page)
        return page

    yield signed_in
    for page in pages:
        page.context.close()
    # A form that came back says so in the console; what the policy blocked and what a script threw must not be.
    assert [text for text in complaints if "422" not in text] == []
