"""Reads what the report shows of a period, and puts into words what is not a number."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from guardian.cli.audit.report.approval_lines import approval_line
from guardian.cli.audit.wording.call_words import words_of_call
from guardian.cli.audit.wording.denial_words import codes_of
from guardian.cli.audit.wording.event_words import words_of_event
from guardian.cli.audit.wording.words import named, part
from guardian.domain.milliseconds import DAY_MS, LATEST_MS
from guardian.errors import PolicyInvalid
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy
from guardian.report.activity import ActivityCount
from guardian.report.limit_use import JudgedOrder, budget_by_step, highest_uses
from guardian.report.report_figures import AccountFigures, Denials, ReportFigures, VerificationWords
from guardian.report.time_steps import time_steps
from guardian.store.answers.period_reader import (
    call_times,
    denied_outcomes,
    intents,
    policy_texts,
    proposals_between,
)
from guardian.store.answers.trade_reader import read_ledgers
from guardian.store.answers.trades import TradeFigures, figures_of
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import History
from guardian.store.log.read_only import LogRow, first_seq_at, last_seq, read_only, row_at
from guardian.store.schema.files import DATABASE_NAME

MOST_DENIALS: Final = 15
MOST_EVENTS: Final = 40
MOST_UNRESOLVED: Final = 50
LEAST_DAYS: Final = 7
"""A chart has no fewer: of a log that begins later, the days before it are empty."""
_OF_ORDERS: Final = frozenset(
    {"agreed", "approved", "client_answered", "client_asked", "rejected", "resolved", "withdrawn"}
)
"""Kinds of events that belong to an order, which is shown elsewhere."""


def collect(
    home: Path, since_ms: int, until_ms: int, *, now_ms: int, version: str, verification: VerificationWords | None
) -> ReportFigures:
    """Returns what the report shows of a home. `verification` is None where it has no log. Raises StoreError."""
    if not (home / DATABASE_NAME).exists():
        return _figures(since_ms, until_ms, now_ms, version, verification)
    ledgers = [figures_of(one, since_ms=since_ms, until_ms=until_ms) for one in read_ledgers(home)]
    with read_only(home / DATABASE_NAME) as connection:
        return _Collection(connection, since_ms, until_ms, now_ms).figures(ledgers, version, verification)


def _figures(
    since_ms: int, until_ms: int, now_ms: int, version: str, verification: VerificationWords | None
) -> ReportFigures:
    """The report of a home without a log."""
    steps = time_steps(since_ms, until_ms)
    return ReportFigures(
        made_ms=now_ms,
        since_ms=since_ms,
        until_ms=until_ms,
        version=version,
        steps=steps,
        rows=0,
        head=None,
        verification=verification,
        accounts=(),
        activity=ActivityCount(steps).found(),
        denials=Denials(count=0, by_rule=(), newest=()),
        approvals=(),
        unresolved=(),
        events=(),
    )


class _Collection:
    """One reading of the log."""

    def __init__(self, connection: sqlite3.Connection, since_ms: int, until_ms: int, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        end = last_seq(connection)
        first = row_at(connection, 1)
        begun = None if first is None else _time(first.ts_ms)
        if begun is not None:
            since_ms = max(since_ms, min(begun, until_ms - (LEAST_DAYS - 1) * DAY_MS))
        self._since_ms, self._until_ms = since_ms, until_ms
        self._after = first_seq_at(connection, since_ms) - 1
        self._last = min(end, first_seq_at(connection, until_ms) - 1)
        self._head = row_at(connection, end)
        self._steps = time_steps(since_ms, until_ms)

    def figures(
        self, ledgers: list[TradeFigures], version: str, verification: VerificationWords | None
    ) -> ReportFigures:
        """Returns the whole report."""
        count, events = ActivityCount(self._steps), list[int]()
        for seq, phase, call_id, time_ms, tool, outcome in call_times(self._connection, self._after, self._last):
            if phase == "event":
                events.append(seq)
            elif phase in {"call", "outcome"} and (known_ms := _time(time_ms)) is not None:
                count.add(phase, call_id, known_ms, tool, outcome)
        proposals = proposals_between(self._connection, self._since_ms, self._until_ms)
        return ReportFigures(
            made_ms=self._now_ms,
            since_ms=self._since_ms,
            until_ms=self._until_ms,
            version=version,
            steps=self._steps,
            rows=max(self._last - self._after, 0),
            head=None if self._head is None else (self._head.seq, bytes(self._head.digest).hex()),
            verification=verification,
            accounts=self._accounts(ledgers),
            activity=count.found(),
            denials=self._denials(),
            approvals=tuple(approval_line(one, self._now_ms) for one in proposals),
            unresolved=self._unresolved(),
            events=self._events(events),
        )

    def _accounts(self, ledgers: list[TradeFigures]) -> tuple[AccountFigures, ...]:
        policies = _policies(self._connection)
        orders: dict[tuple[str, str], list[JudgedOrder]] = {}
        for row in intents(self._connection, self._after, self._last):
            judged = _judged(row)
            if judged is not None:
                orders.setdefault((judged.environment, judged.account), []).append(judged)
        found = []
        for trades in ledgers:
            own = orders.get((trades.scope.environment, trades.scope.account), [])
            budget = budget_by_step(own, policies, self._steps)
            found.append(
                AccountFigures(
                    trades=trades,
                    budget_name=budget.name,
                    budget_used=budget.used,
                    budget_limit=budget.limit,
                    limits=highest_uses(own, policies),
                )
            )
        return tuple(one for one in found if one.trades.entries or one.trades.positions or one.limits)

    def _denials(self) -> Denials:
        rules: Counter[str] = Counter()
        newest: list[LogRow] = []
        count = 0
        for row in denied_outcomes(self._connection, self._after, self._last):
            count += 1
            rules.update(codes_of(part(row.data, "error")))
            newest = [*newest[-MOST_DENIALS + 1 :], row]
        log = History(self._connection)
        lines = []
        for row in reversed(newest):
            rows = log.find(str(row.call_id)) if row.call_id else ()
            call = next((one for one in rows if one.phase == "call"), row)
            words = words_of_call(call, row)
            lines.append((_time(row.ts_ms), words.what, words.result.removeprefix("denied: ")))
        by_rule = sorted(rules.items(), key=lambda item: (-item[1], item[0]))
        return Denials(count=count, by_rule=tuple(by_rule), newest=tuple(lines))

    def _unresolved(self) -> tuple[tuple[int | None, str], ...]:
        log = History(self._connection)
        found = []
        for line in log.newest(CallFilter(limit=1)).unresolved[:MOST_UNRESOLVED]:
            rows = log.find(str(line.row.call_id)) if line.row.call_id else ()
            intent = next((one for one in rows if one.phase == "intent"), None)
            words = words_of_call(line.row, line.outcome_row, intent)
            found.append((_time(line.row.ts_ms), words.text))
        return tuple(found)

    def _events(self, seqs: list[int]) -> tuple[tuple[int | None, str], ...]:
        found: list[tuple[int | None, str]] = []
        for seq in reversed(seqs):
            row = row_at(self._connection, seq)
            if row is not None and named(row.data, "kind") not in _OF_ORDERS:
                found.append((_time(row.ts_ms), words_of_event(row).text))
            if len(found) == MOST_EVENTS:
                break
        return tuple(found)


def _time(value: object) -> int | None:
    """The time of a cell, which may hold anything in a log that was tampered with; None where it holds none."""
    return value if isinstance(value, int) and 0 <= value <= LATEST_MS else None


def _judged(row: LogRow) -> JudgedOrder | None:
    """What an intent row says; None where it has no time."""
    time_ms = _time(row.ts_ms)
    if time_ms is None:
        return None
    return JudgedOrder(
        time_ms=time_ms,
        environment=str(row.environment),
        account=str(row.account),
        symbol=str(row.symbol),
        data=row.data,
    )


def _policies(connection: sqlite3.Connection) -> Mapping[str, Policy]:
    """The policies that were in force, by digest; one that this version cannot read is left out."""
    found = {}
    for digest, text in policy_texts(connection).items():
        try:
            found[digest] = load_policy(text)
        except PolicyInvalid:
            continue
    return found
