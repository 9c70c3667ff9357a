"""Asks the exchange for one order, and paces the questions: each order has its own back-off."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from guardian.domain.order_states import LIVE_STATES
from guardian.domain.orders import OrderReport
from guardian.domain.report_match import SentOrder, is_amended
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.store.schema.records import OrderRow

_log: Final = logging.getLogger("guardian.gate")

PERIOD_S: Final = 10.0
"""Between two questions for an open order, and after a round that failed."""

BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Between two questions for an order whose fate is not known; the last for as long as it takes."""

WARNED_EVERY_S: Final = 3600.0
"""Between two warnings about the same order."""


async def ask_for(exchange: Exchange, sent: SentOrder) -> OrderReport | None:
    """The exchange's report of an order of guardian's; None where it knows it by neither id. Raises ExchangeError.

    An order that its owner amended has another client order id at the exchange; it is asked for by its order id, and
    what else has that number (order ids start again when a testnet is wiped) is not taken for it.
    """
    report = await exchange.order(sent.symbol, client_order_id=sent.client_order_id)
    if report is not None or sent.order_id is None:
        return report
    report = await exchange.order(sent.symbol, order_id=sent.order_id)
    if report is None or not (report.client_order_id == sent.client_order_id or is_amended(sent, report)):
        return None
    return report


@dataclass(slots=True)
class Questions:
    """What was asked about one order so far; the times are seconds on the monotonic clock."""

    times: int = 0
    due: float = 0.0
    absences: int = 0
    """How often in a row the exchange did not know it."""
    absent_at: float | None = None
    """When it last did not; None while it was not absent in this process."""
    gone: int = 0
    """How often in a row its symbol was gone."""
    gone_since: float = 0.0
    warned: float = -inf


@dataclass(slots=True)
class Pace:
    """When each order is asked for again."""

    context: GateContext
    questions: dict[str, Questions] = field(default_factory=dict)
    """By client order id."""

    def keep_only(self, rows: Iterable[OrderRow]) -> None:
        """Forget what was asked about every other order."""
        wanted = {row.client_order_id for row in rows}
        self.questions = {name: asked for name, asked in self.questions.items() if name in wanted}

    def is_due(self, row: OrderRow) -> bool:
        """Whether it is time to ask for this order."""
        asked = self.questions.get(row.client_order_id)
        return asked is None or asked.due <= self.context.monotonic()

    def plan(self, row: OrderRow) -> Questions:
        """Say when this order is asked for again, before it is asked for now: a failure counts as a question."""
        asked = self.questions.setdefault(row.client_order_id, Questions())
        pause = PERIOD_S if row.state in LIVE_STATES else BACK_OFF_S[min(asked.times, len(BACK_OFF_S) - 1)]
        # Up to a quarter more or less, so that processes and orders do not fall into step.
        chance = int.from_bytes(self.context.random_bytes(2), "big") / 0xFFFF
        asked.times += 1
        asked.due = self.context.monotonic() + pause * (0.75 + chance / 2)
        return asked

    def warn(self, row: OrderRow, why: str) -> None:
        """At most one warning an hour about an order that is asked for again and again."""
        asked, now = self.questions.setdefault(row.client_order_id, Questions()), self.context.monotonic()
        if now - asked.warned >= WARNED_EVERY_S:
            asked.warned = now
            _log.warning("%s; %s", row.client_order_id, why)
