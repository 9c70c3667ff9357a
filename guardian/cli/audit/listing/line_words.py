"""One line of the history in words, and as JSON."""

from __future__ import annotations

from guardian.cli.audit.wording.call_words import words_of_call
from guardian.cli.audit.wording.event_words import words_of_event
from guardian.cli.audit.wording.words import Words
from guardian.cli.support.times import utc_time
from guardian.store.history.history_lines import HistoryLine

BY_OWNER = "owner:"
"""How the key of a call that the owner made on the command line begins."""


def words_of(line: HistoryLine) -> Words:
    """Returns a line in words. Never fails, whatever its rows hold."""
    if line.is_event:
        return words_of_event(line.row)
    return words_of_call(line.row, line.outcome_row, line.intent_row, line.order)


def text_of(line: HistoryLine) -> str:
    """Returns a line in words, as one text."""
    return words_of(line).text


def as_dict(line: HistoryLine) -> dict[str, object]:
    """Returns a line for a script: its columns, what it says, and the names of its order. Times are in UTC."""
    row, order = line.row, line.order or {}
    return {
        "seq": row.seq,
        "time": time_or_none(row.ts_ms),
        "call_id": row.call_id,
        "phase": row.phase,
        "tool": row.tool,
        "symbol": symbol_of(line),
        "outcome": line.outcome,
        "detail": line.detail,
        "reason": line.reason,
        "text": text_of(line),
        "environment": row.environment,
        "client": None if line.is_event else line.client,
        "client_order_id": order.get("client_order_id"),
        "proposal_id": proposal_of(line),
        "codes": sorted(line.codes),
        "order_state": line.state,
        "verified": line.is_whole,
    }


def time_or_none(milliseconds: object) -> str | None:
    """Returns a time of the log in UTC; None for what is no time, which somebody put there."""
    try:
        return utc_time(milliseconds) if isinstance(milliseconds, int) else None
    except (ValueError, OverflowError, OSError):
        return None


def symbol_of(line: HistoryLine) -> str | None:
    """Returns the symbol of a line, or that of the order that it is about."""
    if line.row.symbol is not None:
        return line.row.symbol
    symbols = (form.get("symbol") for form in line.orders)
    return next((symbol for symbol in symbols if isinstance(symbol, str)), None)


def proposal_of(line: HistoryLine) -> str | None:
    """Returns the proposal that a line made, used, or is about."""
    data = line.outcome_data.get("data")
    replied = data.get("proposal_id") if isinstance(data, dict) else None
    found = (line.data.get("proposal"), line.intent_data.get("proposal"), replied)
    return next((name for name in found if isinstance(name, str)), None)
