"""What a person should know beside calls: the start, the end, and what another process or the owner changed meanwhile.

The log has a row for each event of any process, so its new rows are read a few times a minute. The policy's file leaves
no row, and is looked at as often; clients are notified then of tools that came or went.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian import __version__
from guardian.errors import PolicyInvalid, StoreError
from guardian.server.process.list_changes import ToolListChanges
from guardian.server.process.notices import notice
from guardian.server.process.stderr_lines import PROCESS_LINES
from guardian.store.log.read_only import LogRow, database_path, last_seq, read_only, rows_after
from guardian.system.typed_command import typed_command

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian

_log: Final = logging.getLogger("guardian.server")
PERIOD_S: Final = 3.0
MOST_EVENTS: Final = 20
"""That are said after one look; of more only their number is."""
DRAIN_S: Final = 0.3
_TEXT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLook:
    """What is said of the policy when it changes."""

    digest: str | None
    problems: tuple[str, ...]
    waiting: str | None


def start_line(opened: Guardian) -> str:
    """Returns the first line: what serves, where, under which policy, with how many tools."""
    look = look_at_policy(opened)
    context = opened.gate.context
    environment = context.environment.value.upper() if context.is_chosen else "no environment"
    policy = f"policy {look.digest[:12]} (`{opened.policy_file.path}`)" if look.digest else "no usable policy"
    yours = "; no policy of yours yet: `guardian init`" if opened.policy_file.packaged else ""
    tools = len(opened.gate.allowed_tools())
    return f"guardian {__version__} serves {environment}, {policy}, home `{opened.home}`, {tools} tools{yours}"


def look_at_policy(opened: Guardian) -> PolicyLook:
    """Reads the policy's file, and what waits for the owner."""
    try:
        found = opened.policy_file.current()
    except PolicyInvalid as error:
        return PolicyLook(digest=None, problems=tuple(str(mistake) for mistake in error.mistakes), waiting=None)
    waiting = None if found.waiting is None or found.waiting.effective_ms is not None else found.waiting.digest
    return PolicyLook(digest=found.policy.digest, problems=found.problems, waiting=waiting)


def policy_lines(before: PolicyLook, now: PolicyLook) -> list[str]:
    """Returns a line for each thing that is another one than before."""
    lines = []
    if now.problems and now.problems != before.problems:
        more = f" and {len(now.problems) - 1} more" if len(now.problems) > 1 else ""
        lines.append(
            f"policy invalid, so no order is created: {now.problems[0][:_TEXT]}{more}; `guardian policy check`"
        )
    if now.digest != before.digest and now.digest is not None:
        lines.append(f"policy changed: {now.digest[:12]} is in force")
    elif before.problems and not now.problems:
        lines.append("policy valid again")
    if now.waiting is not None and now.waiting != before.waiting:
        lines.append(f"policy {now.waiting[:12]} is looser and waits for you: `guardian policy approve`")
    return lines


def event_line(row: LogRow) -> str | None:
    """Returns the line about an event of the log; None where it is nothing that a person waits for."""
    data = row.data
    trading = data.get("trading")
    if isinstance(trading, str):
        reason = f": {_text(data, 'reason')}" if data.get("reason") else ""
        then = "" if trading == "active" else "; `guardian resume` ends it"
        return f"trading {_text(data, 'trading')}, by {_text(data, 'by')}{reason}{then}"
    kind = data.get("kind")
    if kind == "resolved":
        order = f"{row.symbol or ''} {_text(data, 'client_order_id')}"
        return f"order {_text(data, 'is')}: {order}, {_text(data, 'was')} before"
    if kind == "approved":
        return f"proposal {_text(data, 'proposal')} approved"
    if kind == "rejected":
        return f"proposal {_text(data, 'proposal')} turned down: {_text(data, 'reason')}"
    return _MEANINGS.get(str(kind))


_MEANINGS: Final = {
    "policy_approved": "a policy was approved",
    "armed": "orders are allowed without a question, within a budget and a time; `guardian disarm` ends it",
    "mandate_ended": "orders are asked about again",
    "owner_change": "a passkey or the PIN is being changed; `guardian passkey list` shows it",
    "proof_refused": "a proof of the owner's was refused; `guardian audit list` shows it",
}


def _text(data: Mapping[str, object], name: str) -> str:
    return str(data.get(name, "unknown"))[:_TEXT]


class Watch:
    """Says what is new in the log and in the policy since it was made."""

    def __init__(self, opened: Guardian) -> None:
        self._opened = opened
        self._path = database_path(opened.home)
        self._seq = _last_seq(self._path)
        self._policy = look_at_policy(opened)

    def look(self) -> None:
        """Says a line for each thing that is new. Reads alone; raises nothing that a broken store raises."""
        self._look_for_approval()
        now = look_at_policy(self._opened)
        for line in policy_lines(self._policy, now):
            notice(line, "the policy")
        self._policy = now
        with suppress(StoreError):
            events = [said for row in self._new_rows() if (said := event_line(row)) is not None]
            for event in events[:MOST_EVENTS]:
                notice(event, "events")
            if len(events) > MOST_EVENTS:
                notice(f"{len(events) - MOST_EVENTS} more events; `guardian audit list` shows them", "events")

    def _look_for_approval(self) -> None:
        """Notices that a policy that waited is in force now; otherwise only calls read it from the store."""
        with suppress(PolicyInvalid, StoreError):
            if self._opened.policy_file.current().waiting is not None:
                with self._opened.journal.transaction() as tx:
                    self._opened.policy_file.look(tx, adopts=False)

    def _new_rows(self) -> list[LogRow]:
        with read_only(self._path) as connection:
            rows = rows_after(connection, self._seq)
        if rows:
            self._seq = rows[-1].seq
        return [row for row in rows if row.phase == "event"]


def _last_seq(path: Path) -> int:
    with suppress(StoreError), read_only(path) as connection:
        return last_seq(connection)
    return 0


@asynccontextmanager
async def announced(
    opened: Guardian,
    around: AbstractAsyncContextManager[object],
    *,
    changes: ToolListChanges | None = None,
    period_s: float = PERIOD_S,
) -> AsyncIterator[None]:
    """Says the start, what changes while the server runs, and the end; `around` runs in between.

    Every `period_s` seconds it looks what is new, and `changes` notifies the clients of another list of tools.
    """

    async def watch() -> None:
        await asyncio.to_thread(typed_command)  # it is looked for once, and not while a call is answered
        watching, logged = await asyncio.to_thread(Watch, opened), set[type[Exception]]()
        while True:
            await asyncio.sleep(period_s)
            try:
                try:
                    await asyncio.to_thread(watching.look)
                finally:
                    if changes is not None:
                        await changes.look()
            except Exception as fault:  # noqa: BLE001 - words for people end no server
                if type(fault) not in logged:  # once: the next look comes soon
                    logged.add(type(fault))
                    _log.exception("what is new could not be looked at")

    notice(start_line(opened), "the start")
    task = asyncio.create_task(watch())
    try:
        async with around:
            yield
    finally:
        task.cancel()
        notice("guardian ends", "the end")
        await asyncio.to_thread(PROCESS_LINES.drain, DRAIN_S)
