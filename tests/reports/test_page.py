"""The page in a real browser: it loads offline, filters, opens evidence, and runs nothing that a server sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from fixtures.browser import ChromiumBrowser
from reports.make import make_all

# No telemetry of the browser's own: what goes out in these tests is the page's doing.
_QUIET = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Opened:
    """A page, what it asked for, and what it complained of."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def shown(self) -> list[str]:
        """Give the ids of the rules that are to be seen."""
        return [rule.get_attribute("id") or "" for rule in self.page.locator(".rule:visible").all()]


@pytest.fixture(scope="module")
def browser(chromium: ChromiumBrowser) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium.path), env=dict(chromium.env) or None, args=[*chromium.arguments, *_QUIET]
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, run_folder: Path) -> Iterator[Opened]:
    page = browser.new_page()
    opened = Opened(page, make_all(run_folder).as_uri())

    def asked(request: Request) -> None:
        opened.requests.append(request.url)

    page.on("request", asked)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("console", lambda message: opened.complaints.append(message.text))
    page.goto(opened.address)
    yield opened
    page.close()
    assert opened.complaints == []
    assert {url.partition("#")[0] for url in opened.requests} == {opened.address}


def test_it_tells_the_outcome(opened: Opened) -> None:
    expect(opened.page.get_by_role("heading", level=1)).to_have_text("✕Does not hold")
    expect(opened.page).to_have_title("Does not hold · three homeservers · Vigie")
    assert len(opened.shown()) == opened.page.locator(".strip .cell").count() == 19
    expect(opened.page.locator("#deployment")).to_contain_text("matrix-content-scanner")
    expect(opened.page.locator("#not-covered")).to_contain_text("the interceptor (mitmproxy) is not there")


def test_it_filters_by_status_chapter_level_and_words(opened: Opened) -> None:
    page = opened.page
    page.locator(".chip.fail").click()
    assert opened.shown() == ["REG-3", "GST-3"]
    page.locator("#chapter").select_option("Créer votre compte")
    assert opened.shown() == ["REG-3"]
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#found")).to_have_text("19 of 19 rules")
    page.locator("#level").select_option("should")
    assert opened.shown() == ["REG-6"]
    page.locator("#level").select_option("")
    page.keyboard.press("Escape")
    page.locator("#query").fill("recoit CREE compte invite")
    assert opened.shown() == []
    expect(page.locator("#nothing")).to_be_visible()
    page.locator("#query").fill("cree compte INVITE")
    assert opened.shown() == ["REG-3"], "search knows neither accents nor case"
    page.locator("#query").fill("")
    page.get_by_label("asked for only").check()
    assert len(opened.shown()) == 16


def test_it_is_used_with_the_keyboard(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("REG-3")
    page.locator("#REG-3 > summary").focus()
    page.keyboard.press("Enter")
    page.locator("#REG-3 button.open").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#REG-3 .evidence").first).to_be_visible()


def test_it_opens_evidence_in_place(opened: Opened) -> None:
    page = opened.page
    page.locator("#REG-3 > summary").click()
    button = page.locator("#REG-3 button.open").first
    assert page.locator(".evidence").count() == 0, "evidence is made when it is opened"
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    panel = page.locator("#REG-3 .evidence").first
    expect(panel.locator(".exchange")).to_have_count(6)
    step = panel.locator(".exchange", has_text="/_matrix/client/v3/register").last
    expect(step.locator(".code")).to_have_text("403")
    step.locator("summary").click()
    expect(step).to_contain_text("M_THREEPID_DENIED")
    expect(step.locator("mark").first).to_have_text("<redacted:session>")
    panel.get_by_role("button", name="Open every step").click()
    expect(panel.locator(".mail")).to_contain_text("suivez ce lien")
    expect(panel.locator(".log")).to_contain_text("WARNING - POST-12")
    expect(panel).to_contain_text("test_registration.py:88: AssertionError")
    button.click()
    expect(panel).to_be_hidden()


def test_hostile_words_are_words(opened: Opened, sample: ModuleType) -> None:
    page = opened.page
    page.locator("#REG-3 > summary").click()
    expect(page.locator("#REG-3 .message").first).to_contain_text(sample.HOSTILE)
    page.locator("#REG-3 button.open").first.click()
    page.get_by_role("button", name="Open every step").click()
    expect(page.locator("#REG-3 .evidence")).to_contain_text(sample.HOSTILE)
    assert page.locator("img").count() == 0
    assert page.evaluate("window.stolen") is None


def test_the_policy_keeps_injected_script_from_running(opened: Opened) -> None:
    refused = opened.page.evaluate(
        """() => new Promise((done) => {
            addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective), {once: true});
            const script = document.createElement("script");
            script.textContent = "window.stolen = 3";
            document.body.append(script);
        })"""
    )
    assert refused == "script-src-elem" and opened.page.evaluate("window.stolen") is None
    # The browser says so on its console, and that is what was wanted here.
    assert len(opened.complaints) == 1 and "Content Security Policy" in opened.complaints.pop()


def test_deep_links_open_the_rule_also_past_a_filter(opened: Opened) -> None:
    page = opened.page
    page.locator(".chip.fail").click()
    page.evaluate("location.hash = '#AV-2'")
    expect(page.locator("#AV-2")).to_have_attribute("open", "")
    expect(page.locator("#AV-2")).to_be_in_viewport()
    page.goto(f"{opened.address}#REG-1/holds-for[interieur]")
    page.reload()
    expect(page.locator("#REG-1")).to_have_attribute("open", "")


def test_statements_in_one_language_or_both(opened: Opened) -> None:
    page = opened.page
    english, french = page.locator("#GST-2 > summary .en"), page.locator("#GST-2 > summary .fr")
    expect(english).to_be_visible()
    expect(french).to_be_visible()
    page.locator(".languages label", has_text="FR").last.click()
    expect(english).to_be_hidden()
    page.locator(".languages label", has_text="EN").nth(1).click()
    expect(french).to_be_hidden()


@pytest.mark.parametrize("width", [320, 390, 820, 1400])
def test_it_fits_any_width(opened: Opened, width: int) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("#REG-3 > summary").click()
    page.locator("#REG-3 button.open").first.click()
    page.get_by_role("button", name="Open every step").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


_CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const told = ".pill, .muted, .fr, .reason, h1, .lead, .cell, .chip > span, .id, a, button, mark, .code, .at, code";
  for (const element of document.querySelectorAll(told)) {
    if (!element.checkVisibility() || !element.textContent.trim()) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(opened: Opened, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    page = opened.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.locator("#REG-3 > summary").click()
    page.locator("#REG-3 button.open").first.click()
    page.get_by_role("button", name="Open every step").click()
    assert page.evaluate(_CONTRAST) == []


def test_printing_opens_every_rule(opened: Opened) -> None:
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator(".rule[open]").count() == 19
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator(".rule[open]").count() == 0
