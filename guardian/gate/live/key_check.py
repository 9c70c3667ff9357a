"""Reads what the key of `live` may do, and keeps the answer for six hours: at start, before it is too old, at an order.

Each answer is a row of the log. Where it cannot be read nothing else stops: reads and cancels need no permissions, and
orders are denied by the rule that needs them.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from guardian.domain.milliseconds import MINUTE_MS
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, ExchangeError, GuardianError, StoreError
from guardian.gate.base.context import GateContext, KeyReading
from guardian.policy.facts import NOT_LOOKED_UP
from guardian.policy.permissions import FRESH_MS, KeyJudgement, judge_permissions
from guardian.store.schema.records import Record, Scope

if TYPE_CHECKING:
    from guardian.connector import Connection
    from guardian.domain.accounts import KeyPermissions
    from guardian.policy.model import Policy
    from guardian.store.database import Transaction

_log: Final = logging.getLogger("guardian.gate")

READ: Final = "key_permissions"
UNREAD: Final = "key_permissions_unread"
_EARLY_MS: Final = 10 * MINUTE_MS
"""The background reads them again this long before they are too old, so that no order has to wait for it."""
_PERIOD_S: Final = 300.0
"""Between two looks whether they are due."""


async def ensure_checked(context: GateContext, connection: Connection, policy: Policy) -> None:
    """Reads the permissions on `live` unless they were read within six hours, of an unsafe key within a minute.

    Where that fails, it is kept why.
    """
    if context.environment is not Environment.LIVE or _is_enough(context, connection, policy):
        return
    async with context.key_checks.lock:
        if not _is_enough(context, connection, policy):
            await _check(context, connection, policy)


def judged_key(context: GateContext, connection: Connection, policy: Policy) -> tuple[KeyJudgement | None, str]:
    """Returns the judgement by the policy of what was read; None where nothing fresh was, and why."""
    if not _is_fresh(context, connection, FRESH_MS):
        return None, context.key_checks.problem or NOT_LOOKED_UP
    reading = context.key_checks.readings[connection.exchange]
    now_ms = context.clock.now_ms()
    return judge_permissions(reading.found, allowed=policy.live.allow_permissions, now_ms=now_ms), ""


def key_problems(context: GateContext, policy: Policy) -> tuple[str, ...]:
    """Returns what is wrong with the keys that this process has read; none where it has read none yet."""
    now_ms, allowed = context.clock.now_ms(), policy.live.allow_permissions
    readings = context.key_checks.readings.values()
    return tuple(
        problem
        for reading in readings
        for problem in judge_permissions(reading.found, allowed=allowed, now_ms=now_ms).problems
    )


async def check_forever(context: GateContext) -> None:
    """Reads them at the start of a server and again in time. Ends at once elsewhere than on `live`."""
    while context.environment is Environment.LIVE:
        await context.clock.pause(await _round(context))


async def _round(context: GateContext) -> float:
    """Reads them if that is due; returns the seconds until the next look."""
    with suppress(GuardianError):  # no policy, or no keys: the calls say so
        policy = context.policy_file.current().policy
        connection = await context.connector.connect(needs_keys=True)
        async with context.key_checks.lock:
            if not _is_fresh(context, connection, FRESH_MS - _EARLY_MS):
                await _check(context, connection, policy)
    return _PERIOD_S


def _is_enough(context: GateContext, connection: Connection, policy: Policy) -> bool:
    """Whether an order can be judged by what was read: an unsafe key may have been mended a minute later."""
    judgement, _ = judged_key(context, connection, policy)
    return judgement is not None and (judgement.is_safe or _is_fresh(context, connection, MINUTE_MS))


def _is_fresh(context: GateContext, connection: Connection, within_ms: int) -> bool:
    """Whether they were read within that time by both clocks: one can be set back, the other stops in a sleep."""
    reading = context.key_checks.readings.get(connection.exchange)
    if reading is None:
        return False
    age_ms = context.clock.now_ms() - reading.read_ms
    ran_ms = (context.clock.monotonic() - reading.read_s) * 1000
    return 0 <= age_ms < within_ms and 0 <= ran_ms < within_ms


async def _check(context: GateContext, connection: Connection, policy: Policy) -> None:
    read_ms, read_s = context.clock.now_ms(), context.clock.monotonic()
    scope = context.scope_of(connection)
    try:
        found = await connection.exchange.key_permissions()
    except (ExchangeError, CredentialsError) as error:
        await _note_unread(context, scope, error.message)
        return
    judgement = judge_permissions(found, allowed=policy.live.allow_permissions, now_ms=context.clock.now_ms())
    for sentence in (*judgement.problems, *judgement.warnings):
        _log.warning("the key of live: %s", sentence)
    try:
        await context.journal.transact(lambda tx: record_permissions(tx, scope, found, judgement))
    except StoreError as error:
        context.key_checks.problem = f"the answer could not be logged: {error.message}"
        return
    context.key_checks.problem = None
    context.key_checks.readings[connection.exchange] = KeyReading(read_ms=read_ms, read_s=read_s, found=found)


async def _note_unread(context: GateContext, scope: Scope, why: str) -> None:
    """Keeps why they could not be read; the log has a row for each new reason."""
    if why == context.key_checks.problem:
        return
    context.key_checks.problem = why
    _log.warning("the permissions of the key of live could not be read: %s", why)
    record = Record.event(scope, {"kind": UNREAD, "reason": why})
    try:
        await context.journal.transact(lambda tx: tx.audit.append(record))
    except StoreError:
        return  # no order passes anyway while the log cannot be written


def record_permissions(tx: Transaction, scope: Scope | None, found: KeyPermissions, judgement: KeyJudgement) -> None:
    """Writes what a key may do, and what follows from it, as an `event` row. Raises StoreError."""
    body = {
        "kind": READ,
        "reason": "; ".join(judgement.problems) or "the key is safe",
        "permissions": dict(sorted(found.flags.items())),
        "unreadable": sorted(found.unreadable),
        "expires_ms": None if found.expires_ms is None else str(found.expires_ms),
        "problems": list(judgement.problems),
        "warnings": list(judgement.warnings),
    }
    tx.audit.append(Record.event(scope, body))
