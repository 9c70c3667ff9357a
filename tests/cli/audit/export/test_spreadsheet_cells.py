"""Cells of a CSV file: no spreadsheet runs one, and numbers stay numbers."""

from __future__ import annotations

import csv
from decimal import Decimal
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.cli.audit.export.exporting import Sink
from guardian.cli.audit.export.spreadsheet_cells import spreadsheet_cell

FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"


class Bytes:
    """A file that keeps what is written."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, content: bytes) -> int:
        self.content += content
        return len(content)


@pytest.mark.parametrize("before", ["", " ", "\u00a0", "\t", "\r\n "])
@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(start: str, before: str) -> None:
    """Blanks and line ends before it do not help: a spreadsheet skips them."""
    assert spreadsheet_cell(f"{start}cmd|'/c calc'!A1").startswith("'")
    assert spreadsheet_cell(f"{before}{start}=cmd|'/c calc'!A1").startswith("'")


@pytest.mark.parametrize("number", ["-1", "-0.00000001", "0", "12.5", "-12345678901234567890.1"])
def test_number_stays_a_number(number: str) -> None:
    """A loss is still summed by the spreadsheet."""
    assert spreadsheet_cell(number) == spreadsheet_cell(Decimal(number)) == number


@pytest.mark.parametrize("text", ["-1+1", "-1e5", "--1", "-1\n", "-١", "-", "+1", "-1.", "-.5"])
def test_what_only_looks_like_a_number_is_text(text: str) -> None:
    """Arabic digits, sums, a line end after the digits: none of them is a number of guardian's."""
    assert spreadsheet_cell(text).startswith("'")


def test_missing_value_is_an_empty_cell() -> None:
    """Nothing is written for nothing: no `None`."""
    assert spreadsheet_cell(None) == ""


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_no_cell_runs_and_every_line_has_its_cells(texts: list[str]) -> None:
    """Whatever is in the texts, a reader of CSV finds as many cells, each of which is a number or begins harmlessly."""
    file = Bytes()
    Sink(file).write_cells([spreadsheet_cell(text) for text in texts])  # type: ignore[arg-type]  # all that is used
    written = file.content.decode()
    assert all(character.isprintable() for character in written[:-1])
    (cells,) = csv.reader(StringIO(written, newline=""))
    assert len(cells) == len(texts)
    for cell in cells:
        is_number = cell.removeprefix("-").replace(".", "", 1).isascii() and cell[-1:].isdigit()
        assert cell.lstrip()[:1] not in set(FORMULA_STARTS) or (cell.startswith("-") and is_number)
