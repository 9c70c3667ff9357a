"""Charts as SVG within the page, drawn by pygal: no script, no network, the colours of the page.

pygal draws; its script, its style sheet, its tooltips and its comments with the day's date are taken out of what it
returns, so that the page has no script at all and is the same each time that it is made of the same figures.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element, fromstring

import pygal

from guardian.report.elements import element, head, number, table, text
from guardian.report.number_text import rounded

# It finds maps that nobody installed, and would stay in the way of every later import, with a warning of Python 3.11's.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

WIDTH: Final = 460
HEIGHT: Final = 220
"""In the units that a font size is in: a chart is as wide as a phone, so its words are as large there as elsewhere."""
_MOST_LABELS: Final = 6
_LONG_NUMBER: Final = re.compile(r"-?[0-9]+\.[0-9]{2,}")
_KEPT_ATTRIBUTES: Final = frozenset(
    {"class", "cx", "cy", "d", "height", "points", "r", "rx", "ry", "transform", "width", "x", "y"}
)
_DROPPED: Final = frozenset({"defs", "desc", "script", "style", "title"})
_BLANK: Final = frozenset({"background", "plot overlay", "plot text-overlay", "plot tooltip-overlay", "titles"})


@dataclass(frozen=True, slots=True)
class Series:
    """One row of values of a chart, None where nothing is drawn, and the class that its colour goes by."""

    name: str
    values: tuple[Decimal | None, ...]
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a chart shows: `labels` are of the steps, `unit` is of all values, `summary` says it without the picture."""

    title: str
    unit: str
    labels: tuple[str, ...]
    step: str
    series: tuple[Series, ...]
    summary: str
    lines: bool = False
    """Lines over time; else stacked bars."""


def figure(chart: Chart) -> Element:
    """Returns a chart with its title, what its colours mean, and its values as a table that can be opened."""
    keys = element("ul", *(_key(series) for series in chart.series), class_="key")
    drawn = _drawn(chart)
    drawn.set("role", "img")
    drawn.set("aria-label", text(f"{chart.title}. {chart.summary}"))
    caption = element("figcaption", element("h3", chart.title), element("p", chart.unit, class_="unit"), keys)
    return element("figure", caption, drawn, _values(chart), class_="chart")


def _key(series: Series) -> Element:
    return element("li", element("span", class_=f"swatch {series.colour}", aria_hidden="true"), series.name)


def _values(chart: Chart) -> Element:
    heads = [head(chart.step.capitalize()), *(head(series.name, number=True) for series in chart.series)]
    rows = [
        (element("th", label, scope="row"), *(number(rounded(series.values[at])) for series in chart.series))
        for at, label in enumerate(chart.labels)
        if any(series.values[at] for series in chart.series)
    ]
    if not rows:
        return element("p", "Nothing in this period.", class_="quiet")
    return element(
        "details", element("summary", "Values"), table(f"{chart.title}, by {chart.step}, {chart.unit}", heads, rows)
    )


def _drawn(chart: Chart) -> Element:
    every = max(-(-len(chart.labels) // _MOST_LABELS), 1)
    kind = pygal.Line if chart.lines else pygal.StackedBar
    drawing = kind(
        width=WIDTH,
        height=HEIGHT,
        css=[],
        js=[],
        uuid="chart",
        disable_xml_declaration=True,
        show_legend=False,
        show_dots=chart.lines and len(chart.labels) == 1,
        margin=4,
        spacing=6,
        rounded_bars=0,
        truncate_label=-1,
        x_labels_major_every=every,
        show_minor_x_labels=False,
        max_scale=5,
        value_formatter=_axis_text,
        style=pygal.style.Style(label_font_size=12, major_label_font_size=12, font_family="sans-serif"),
        include_x_axis=True,
        no_data_text="",
    )
    drawing.x_labels = list(chart.labels)
    for series in chart.series:
        # Only where a line is drawn depends on these floats; what is written is the Decimal.
        values = [None if value is None else float(value) for value in series.values]
        drawing.add("", values)
    svg = fromstring(drawing.render(is_unicode=True))  # noqa: S314  what pygal has just made
    for at, series in enumerate(chart.series):
        _name_colour(svg, at, series.colour)
    return _pruned(svg)


def _axis_text(value: float) -> str:
    """Returns a value of the axis: `1.2k`, `250`, `0.05`."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _name_colour(svg: Element, at: int, colour: str) -> None:
    for part in svg.iter():
        classes = part.get("class", "").split()
        if f"serie-{at}" in classes:
            part.set("class", f"series {colour}")


def _pruned(part: Element) -> Element:
    """Returns the drawing without what the page does not need, and without the namespace, which HTML knows."""
    kept = Element(part.tag.rpartition("}")[2])
    kept.text = part.text
    for name, value in part.attrib.items():
        if name == "viewBox" or (name in _KEPT_ATTRIBUTES and value):
            kept.set(name, _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value))
    for child in part:
        is_element = isinstance(child.tag, str)  # and no comment
        if is_element and child.tag.rpartition("}")[2] not in _DROPPED and child.get("class") not in _BLANK:
            kept.append(_pruned(child))
    return kept


def stepped(values: Sequence[Decimal]) -> tuple[Decimal | None, ...]:
    """Returns values of which a zero is no value: a bar of no height would be a line on the axis."""
    return tuple(value or None for value in values)
