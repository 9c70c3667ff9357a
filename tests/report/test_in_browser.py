"""The report in a browser: on a desk, on a phone, dark and on paper; one browser for all of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from tests.console.support.browser import chromium
from tests.report.conftest import Written

SIZES: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
}
CONTRAST: Final = """
() => {
  const parts = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const line = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * line(r) + 0.7152 * line(g) + 0.0722 * line(b);
  };
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const found = parts(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !one.getClientRects().length) continue;
    const style = getComputedStyle(one);
    const ink = parts(one instanceof SVGElement ? style.fill : style.color);
    const [high, deep] = [light(ink), light(behind(one))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (deep + 0.05);
    if (ratio < 4.5) low.push([one.textContent.slice(0, 40), ratio]);
  }
  return low;
}
"""
"""Every text whose contrast is below that of WCAG 2.2, 1.4.3, level AA."""
A4_WIDTH: Final = 688
"""Pixels of CSS that are left of A4 between the margins of the page."""
INSIDE: Final = "one.getBoundingClientRect().right <= document.body.getBoundingClientRect().right + 1"
OVERLAPS: Final = """
() => [...document.querySelectorAll(".axis")].flatMap((axis) => {
  const boxes = [...axis.querySelectorAll("text")].map((one) => one.getBoundingClientRect());
  return boxes.flatMap((a, at) => boxes.slice(at + 1).filter((b) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
}).length
"""
"""How many pairs of labels of an axis lie on one another."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of the report."""
    with tempfile.TemporaryDirectory(prefix="gr-") as folder, chromium(Path(folder)) as made:
        yield made


class Seen:
    """A window with the report in it, and what it requested and complained about."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.page: Page = browser.new_context(**options).new_page()
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(path.as_uri())


@pytest.fixture(scope="module", params=sorted(SIZES))
def seen(request: pytest.FixtureRequest, browser: Browser, report: Written) -> Iterator[Seen]:
    """The report in each kind of window."""
    found = Seen(browser, report.path, **SIZES[request.param])
    yield found
    found.page.context.close()


def test_nothing_is_requested_and_nothing_complains(seen: Seen, report: Written) -> None:
    """The file is all that there is; the model's script did not run."""
    assert seen.requests == [report.path.as_uri()]
    assert seen.problems == []
    assert seen.page.title().startswith("guardian: ")


def test_page_does_not_scroll_sideways(seen: Seen) -> None:
    """A wide table scrolls in its own box, which the keyboard reaches."""
    assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert seen.page.evaluate(
        "[...document.querySelectorAll('*')].every((one) => one.closest('.scrolls, svg') ||"
        " one.getBoundingClientRect().right <= window.innerWidth + 1)"
    )
    assert seen.page.evaluate("[...document.querySelectorAll('.scrolls')].every((one) => one.tabIndex === 0)")


def test_every_text_can_be_read(seen: Seen) -> None:
    """Enough contrast, charts included, and no label on another."""
    assert seen.page.evaluate(CONTRAST) == []
    assert seen.page.evaluate(OVERLAPS) == 0
    smallest = (
        "Math.min(...[...document.querySelectorAll('.chart text')].map((one) => one.getBoundingClientRect().height))"
    )
    assert seen.page.evaluate(smallest) >= 10


def test_series_have_the_colours_of_their_key(seen: Seen) -> None:
    """What is bought and what is sold can be told apart, and is what the key says."""
    colours = seen.page.evaluate(
        "['bought', 'sold'].map((name) => [getComputedStyle(document.querySelector(`.swatch.${name}`)).color,"
        " getComputedStyle(document.querySelector(`.series.${name} rect`)).fill])"
    )
    assert all(key == drawn for key, drawn in colours)
    assert colours[0] != colours[1]


def test_values_of_a_chart_open_without_a_script(seen: Seen) -> None:
    """The table below a chart is there for who does not see it."""
    details = seen.page.locator("details").first
    assert not details.locator("table").is_visible()
    details.locator("summary").click()
    assert details.locator("table").is_visible()
    details.locator("summary").click()


def test_paper_is_white_and_has_all_of_the_page(browser: Browser, report: Written) -> None:
    """Printed from a dark window too: ink on white, tables whole, nothing that only opens on a click."""
    seen = Seen(browser, report.path, color_scheme="dark")
    seen.page.emulate_media(media="print", color_scheme="dark")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.page.evaluate(CONTRAST) == []
    assert not seen.page.locator("details").first.is_visible()
    seen.page.set_viewport_size({"width": A4_WIDTH, "height": 900})
    assert seen.page.evaluate(f"[...document.querySelectorAll('td, th')].every((one) => {INSIDE})")
    paper = seen.page.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert 2 <= paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") <= 12
    seen.page.context.close()
