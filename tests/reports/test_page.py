"""The page in a real browser: it loads alone, filters, opens evidence, and nothing hostile in it comes alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from fixtures.browser import ChromiumBrowser
from reports.make import make_all
from tests.reports.sample import write_run

QUIET = ("--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@pytest.fixture(scope="module")
def opened(chromium: ChromiumBrowser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, list[str]]]:
    """The page of the sample, and the addresses that it asked for."""
    index = make_all(write_run(tmp_path_factory.mktemp("run")))
    with sync_playwright() as playwright:
        arguments = [*chromium.arguments, *QUIET]
        browser = playwright.chromium.launch(executable_path=str(chromium.path), args=arguments)
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(f"error: {error}"))
        page.goto(index.as_uri())
        yield page, asked
        browser.close()


def shown(page: Page) -> list[str]:
    return [str(rule.get_attribute("id")) for rule in page.locator(".rule:visible").all()]


def test_outcome_is_on_top_and_all_rules_below(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    assert page.locator("h1").inner_text() == "Does not hold"
    assert shown(page) == ["REG-1", "REG-2", "REG-6", "GST-1", "GST-2", "GST-3", "XCL-1"]
    assert page.locator("#REG-1 .en").inner_text() == "Statement of REG-1."
    assert page.locator("#REG-1 .fr").inner_text() == "Énoncé de REG-1."


def test_filters_by_chapter_status_level_and_words(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.select_option("#chapter", "GST")
    assert shown(page) == ["GST-1", "GST-2", "GST-3"]
    page.select_option("#status", "red")
    assert shown(page) == ["GST-1", "GST-2"]
    page.select_option("#chapter", "")
    page.select_option("#level", "should")
    assert shown(page) == ["REG-6"]
    page.select_option("#level", "")
    page.select_option("#status", "")
    page.fill("#words", "antivirus")
    assert shown(page) == ["GST-1"]
    page.fill("#words", "")
    assert len(shown(page)) == 7


def test_language_can_be_chosen(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.select_option("#language", "fr")
    assert not page.locator("#REG-1 .en").is_visible() and page.locator("#REG-1 .fr").is_visible()
    page.select_option("#language", "both")


def test_evidence_opens_in_place(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.locator("#REG-6 details[data-evidence] > summary").first.click()
    step = page.locator("#REG-6 .steps details").first
    step.wait_for()
    assert "/_matrix/client/v3/register" in step.inner_text()
    step.locator("summary").click()
    step.locator("pre").first.wait_for(state="visible")


def test_nothing_hostile_comes_alive_and_nothing_is_fetched(opened: tuple[Page, list[str]]) -> None:
    page, asked = opened
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.locator("#GST-1 .steps").first.wait_for(state="attached")
    assert page.evaluate("window.broken") is None
    assert page.locator("main img").count() == 0
    assert [url for url in asked if not url.startswith("file:")] == []
    assert len(asked) == 1, asked


def test_not_covered_is_said(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    below = page.locator(".below").inner_text()
    assert all(each in below for each in ("REG-2", "GST-2", "XCL-1", "synapse", "1.163.2"))
