"""The report as one HTML file: no script, nothing from elsewhere, for screen, phone and paper, light and dark."""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from importlib.resources import files
from xml.etree.ElementTree import Element

from guardian.report.elements import element, page_text
from guardian.report.log_sections import (
    approvals_section,
    attention,
    calls_section,
    denials_section,
    events_section,
    rows_text,
    verification_section,
)
from guardian.report.number_text import day, moment, zone
from guardian.report.report_figures import ReportFigures
from guardian.report.trade_sections import account_sections


def report_page(figures: ReportFigures) -> str:
    """Returns the report; the same text for the same figures in the same time zone."""
    main = element("main")
    for section in _sections(figures):
        if section is not None:
            main.append(section)
    title = f"guardian: {_period(figures)}"
    body = element("body", _header(figures), main, _footer(figures))
    return page_text(element("html", _head(title), body, lang="en"))


def _sections(figures: ReportFigures) -> list[Element | None]:
    if figures.verification is None:
        return [_empty()]
    accounts = [section for account in figures.accounts for section in account_sections(account, figures)]
    return [
        attention(figures),
        *(accounts or [_nothing_traded()]),
        approvals_section(figures.approvals),
        denials_section(figures.denials),
        calls_section(figures),
        events_section(figures.events),
        verification_section(figures.verification),
    ]


def _empty() -> Element:
    return element(
        "section",
        element("h2", "Nothing yet"),
        element("p", "The log is empty: no call has been made. Once an assistant trades through guardian, this page"
                " shows what was bought and sold, what was denied and approved, and whether the log is whole."),
        class_="empty",
    )  # fmt: skip


def _nothing_traded() -> Element:
    quiet = element("p", "Nothing was bought or sold through guardian.", class_="quiet")
    return element("section", element("h2", "Trading"), quiet)


def _head(title: str) -> Element:
    css = _style_sheet()
    digest = base64.b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    style = Element("style")
    style.text = css  # written as it is, unlike all other text: it comes with guardian
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        style,
    )


@cache
def _style_sheet() -> str:
    return (files("guardian.report") / "style.css").read_text("utf-8")


def _period(figures: ReportFigures) -> str:
    first, last = day(figures.since_ms), day(max(figures.until_ms - 1, figures.since_ms))
    return first if first == last else f"{first} to {last}"


def _header(figures: ReportFigures) -> Element:
    found = figures.verification
    status = None
    if found is not None:
        status = element("p", "The log: ", element("strong", found.result), class_=f"status {found.tone}")
    return element(
        "header",
        element("p", "guardian", class_="brand"),
        element("h1", _period(figures)),
        element("p", f"Made {moment(figures.made_ms)}. All times are {zone(figures.made_ms)}.", class_="quiet"),
        status,
    )


def _footer(figures: ReportFigures) -> Element:
    return element("footer", element("p", rows_text(figures)), element("p", f"guardian {figures.version}"))
