"""Binance's error answers, as documented and as others recorded them."""

from __future__ import annotations

from typing import Any

from tests.support.fixtures import fixture, recording

Answer = tuple[int, int, str]
"""HTTP status, code and message."""


def error_answers() -> set[Answer]:
    """The answers of the fixtures."""
    return {(row["http"], row["code"], row["msg"]) for row in fixture("errors")["answers"]}


def documented_messages(code: int) -> list[str]:
    """The documented messages of a code; `%s` is a gap."""
    messages: list[str] = fixture("errors")["codes"][str(code)]
    return messages


def recorded_answers() -> list[dict[str, Any]]:
    """The answers that others recorded, whole."""
    rows: list[dict[str, Any]] = recording("errors/real_samples.json")
    return rows


def recorded_messages(code: int) -> list[str]:
    """The messages of a code by the documentation that others keep."""
    rows = recording("errors/spot_error_codes_docs.json")["codes"]
    messages: list[str] = next(row["messages"] for row in rows if row["code"] == code)
    return messages
