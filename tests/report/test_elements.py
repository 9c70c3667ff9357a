"""From data to HTML: whatever a text holds, it is a text on the page."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from guardian.report.elements import MAX_TEXT, element, page_text, text


class Read(HTMLParser):
    """What a browser would find: tags, their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = st.text() | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</style><b>",
        "&lt;b&gt;",
        "]]>",
        "<!--",
        "\x00<i>",
    ]
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_text_and_attributes_make_no_element(first: str, second: str, title: str) -> None:
    """The elements are those that were made, and what is read back is the cleaned text."""
    page = page_text(element("p", first, element("b"), second, title=title))
    read = Read(page.removeprefix("<!doctype html>\n").removesuffix("\n"))
    assert read.tags == ["p", "b"]
    assert read.attributes == {"title": text(title)}
    assert read.text == text(first) + text(second)


def test_hidden_characters_are_shown_and_long_texts_cut() -> None:
    """Nothing turns the reading order around, and nobody makes the page as long as they like."""
    assert text("a\u202eb\x1b[2J\n") == "a\\u202eb\\x1b[2J\\n"
    assert text("x" * 5_000) == "x" * MAX_TEXT + "(cut, 5000 characters)"


def test_names_of_attributes_are_written_as_html_has_them() -> None:
    """`class_` and `aria_label`; one that is None is left out."""
    assert 'class="a" aria-label="b"' in page_text(element("p", class_="a", aria_label="b", id=None))
