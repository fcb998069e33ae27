"""Chromium on a running site, driven by Playwright. A page that complains in its console fails the test."""

import os
import time

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.desk import Desk

# Playwright keeps an event loop in this thread, which Django's ORM takes for asynchronous code; it is not.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, live_server):
    """An empty tab; addresses are relative to the running site."""
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 950})
    page = context.new_page()
    complaints: list[str] = []

    def complain(what: str) -> None:
        complaints.append(f"{page.url}: {what}")

    page.on("console", lambda message: complain(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complain(error.stack or str(error)))
    yield page
    context.close()
    wait_for_the_last_answer()
    assert complaints == []


def wait_for_the_last_answer() -> None:
    """Until no request is under way: one that a closed tab had made would keep the tables from being emptied."""
    until = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            if cursor.fetchone() == (0,):
                return
            time.sleep(0.05)


@pytest.fixture
def log_in(page: Page, live_server):
    """Makes a user in a role and puts their session into the browser."""

    def log_in(role: str) -> Desk:
        desk = Desk(role)
        session = desk.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        return desk

    return log_in
