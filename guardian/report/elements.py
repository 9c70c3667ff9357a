"""HTML as a tree of elements: the one way from data to the page.

Text and attributes are text whatever is in them: `text` escapes hidden characters, and the standard library escapes
the rest as it writes the tree. Nothing on the page is put together of pieces of markup.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element, tostring

from guardian.domain.text.escaping import clean

NEARLY_ALL: Final = 0.9
"""The share from which a bar has another colour."""
MAX_TEXT: Final = 400
"""Characters of one text: whoever wrote it does not decide how long the page is."""
MOST_ROWS: Final = 40
"""Of a table or a list whose length somebody else decides; the others are counted below it."""
Child = Element | str | None


def text(value: str) -> str:
    """Returns a text as the page shows it: on one line, hidden characters escaped, a long one cut."""
    return clean(value, MAX_TEXT)


def element(tag: str, *children: Child, **attributes: str | None) -> Element:
    """Returns an element with these children and attributes; None is left out.

    An underscore in the name of an attribute is written as a hyphen, and one at its end is dropped: `class_`.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), text(value))
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif child is not None and last is None:
            made.text = (made.text or "") + text(child)
        elif child is not None and last is not None:
            last.tail = (last.tail or "") + text(child)
    return made


def table(
    caption: str, heads: Iterable[Element], rows: Iterable[Iterable[Child]], *, class_: str | None = None
) -> Element:
    """Returns a table in a box that scrolls by itself; a cell that is an element `td` or `th` is taken as it is."""
    body = element("tbody")
    for row in rows:
        cells = (
            cell if isinstance(cell, Element) and cell.tag in {"td", "th"} else element("td", cell) for cell in row
        )
        body.append(element("tr", *cells))
    head = element("thead", element("tr", *heads))
    made = element("table", element("caption", caption), head, body, class_=class_)
    return element("div", made, class_="scrolls", tabindex="0", role="region", aria_label=caption)


def not_shown(count: int) -> Element | None:
    """Returns the sentence about the rows beyond MOST_ROWS, where there are any."""
    if count <= MOST_ROWS:
        return None
    return element("p", f"{count - MOST_ROWS:,} more are not shown here.", class_="note")


def head(name: str, *, number: bool = False) -> Element:
    """Returns the head of a column."""
    return element("th", name, scope="col", class_="number" if number else None)


def number(value: str, *, class_: str | None = None) -> Element:
    """Returns a cell with a number, which lines up with those above and below it."""
    return element("td", value, class_=f"number {class_}" if class_ else "number")


def meter(share: float, *, warns: bool = True) -> Element:
    """Returns a bar that is filled to a share, for the eye alone: the number is beside it."""
    width = f"{min(max(share, 0), 1) * 100:.1f}"
    kind = "meter over" if warns and share >= NEARLY_ALL else "meter"
    filled = element("rect", width=width, height="6", rx="1")
    svg = element(
        "svg", element("rect", width="100", height="6", class_="track"), filled, class_=kind, aria_hidden="true"
    )
    svg.set("viewBox", "0 0 100 6")
    svg.set("preserveAspectRatio", "none")
    return svg


def page_text(root: Element) -> str:
    """Returns the whole document as text."""
    return f"<!doctype html>\n{tostring(root, encoding='unicode', method='html')}\n"
