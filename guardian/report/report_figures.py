"""All that the report shows, as frozen data. Texts that the log or the exchange supplied are as they were."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from guardian.report.activity import Activity
from guardian.report.limit_use import LimitUse
from guardian.report.time_steps import TimeSteps
from guardian.store.answers.trades import TradeFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationWords:
    """What verifying the log found, in the words of `guardian audit verify`."""

    result: str
    tone: str
    """`good`, `wait` or `bad`."""
    details: tuple[tuple[str, str], ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    """What the owner accepted, and what could not be checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denials:
    """What guardian said no to: how often each rule, which may be several of one order, and the newest in words."""

    count: int
    by_rule: tuple[tuple[str, int], ...]
    newest: tuple[tuple[int | None, str, str], ...]
    """When, what was asked, and why it was denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLine:
    """An order that a person was asked about. `took_ms` is from the proposal to the yes; None without one."""

    proposal_id: str
    time_ms: int
    environment: str
    order: str
    state: str
    how: str
    took_ms: int | None
    waits: bool
    """Whether it waits for a person now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """What was traded in one environment and account, and how much of the longest window's budget was used."""

    trades: TradeFigures
    budget_name: str
    budget_used: tuple[Decimal | None, ...]
    """By step: the highest use that an order brought it to."""
    budget_limit: tuple[Decimal | None, ...]
    limits: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigures:
    """The whole report. Times are milliseconds since the epoch, `until_ms` is exclusive."""

    made_ms: int
    since_ms: int
    until_ms: int
    version: str
    steps: TimeSteps
    rows: int
    """Of the log in the period."""
    head: tuple[int, str] | None
    verification: VerificationWords | None
    """None where there is no log yet."""
    accounts: tuple[AccountFigures, ...]
    activity: Activity
    denials: Denials
    approvals: tuple[ApprovalLine, ...]
    """Newest first."""
    unresolved: tuple[tuple[int | None, str], ...]
    events: tuple[tuple[int | None, str], ...]
    """Halts, resumes, and what the owner changed, newest first."""
