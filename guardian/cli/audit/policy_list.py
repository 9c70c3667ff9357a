"""`guardian audit policies`: the policies that were in force, as the log has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.render import Column, Tone, Toned, print_json, print_line, say, say_error, say_hint, table
from guardian.cli.support.times import local_time, utc_time
from guardian.gate.owner.policy_history import text_of
from guardian.home.folder import checked_home
from guardian.store.log.read_only import LogRow, read_only, row_at
from guardian.store.log.statements import POLICY_ROWS
from guardian.store.schema.files import DATABASE_NAME

FEWEST_DIGITS: Final = 8
_NOT_SHOWN: Final = frozenset({"text", "kind", "row", "rows", "is_whole"})
_MOST_ROWS: Final = 1000
"""Rows of one text: a policy file has at most 1 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPolicy:
    """A policy that was in force from a row of the log on, with its text."""

    row: LogRow
    text: str

    @property
    def digest(self) -> str:
        """The digest that the row names."""
        return str(self.row.data.get("policy"))

    @property
    def is_as_logged(self) -> bool:
        """Whether the row has its digest, and the text the policy's."""
        if not self.row.has_its_digest:
            return False
        # Of a text without its keys the row alone says that it is the one that was written.
        is_whole = self.row.data.get("is_whole") is not False
        return not is_whole or sha256(self.text.encode("utf-8", "replace")).hexdigest() == self.digest


def list_policies(*, as_json: bool) -> int:
    """Print every policy that was in force, oldest first; returns the exit code."""
    found = _logged()
    if as_json:
        print_json([_as_json(one) for one in found])
    else:
        columns = ("since", Column("policy", whole=True), "environment", "client", "changed")
        table(columns, [_cells(one) for one in found])
    if not found:
        say("no call has been judged by a policy yet")
    return _exit_code(found)


def print_policy(digest: str) -> int:
    """Print the text of the policy whose digest begins so; returns the exit code."""
    if len(digest) < FEWEST_DIGITS:
        say_error(f"give at least {FEWEST_DIGITS} digits of the digest")
        return NO
    named = {one.digest: one for one in _logged() if one.digest.startswith(digest)}
    if len(named) != 1:
        say_error("more than one policy begins so" if named else f"no policy `{digest}` was in force")
        say_hint("`guardian audit policies` lists them")
        return NO
    (one,) = named.values()
    for line in one.text.removesuffix("\n").split("\n"):
        print_line(line)
    return _exit_code([one])


def _logged() -> list[LoggedPolicy]:
    with read_only(checked_home() / DATABASE_NAME) as connection:
        rows = [LogRow(*columns) for columns in connection.execute(POLICY_ROWS)]
        found = []
        for row in rows:
            more = row.data.get("rows")
            count = more if isinstance(more, int) and 0 < more <= _MOST_ROWS else 1
            parts = [row, *(row_at(connection, row.seq + number) for number in range(1, count))]
            found.append(LoggedPolicy(row=row, text=text_of([part.data for part in parts if part is not None])))
    return found


def _exit_code(found: Sequence[LoggedPolicy]) -> int:
    changed = [one for one in found if not one.is_as_logged]
    for one in changed:
        say(f"row {one.row.seq} was changed, or its text is not that of policy {one.digest[:12]}", Tone.BAD)
    return NO if changed else FINE


def _cells(one: LoggedPolicy) -> list[object]:
    data = one.row.data
    words = [f"{_change(change)} {name}" for name in ("looser", "tighter") for change in _listed(data.get(name))]
    if data.get("in_place_of") is None:
        words = ["the first one"]
    elif data.get("looser") is None:
        words = ["not compared: the one before cannot be read by this version"]
    tone = Tone.WAITING if _listed(data.get("looser")) else None
    shown = "; ".join(words) or "no limit"
    if data.get("approval") is not None:
        shown += f" (you approved it: row {data['approval']})"
    client = data.get("client")
    return [
        local_time(one.row.ts_ms),
        one.digest[:12],
        str(data.get("environment")),
        None if client is None else str(client),
        Toned(shown, tone),
    ]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _change(change: object) -> str:
    data = change if isinstance(change, dict) else {}
    return f"{data.get('key')} {data.get('before')} -> {data.get('after')}"


def _as_json(one: LoggedPolicy) -> dict[str, object]:
    data = {
        name: value for name, value in one.row.data.items() if name not in {"text", "kind", "row", "rows", "is_whole"}
    }
    return {"time": utc_time(one.row.ts_ms), "row": one.row.seq, **data, "as_logged": one.is_as_logged}
