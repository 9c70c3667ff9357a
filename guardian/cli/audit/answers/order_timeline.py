"""The life of one order, printed as a timeline or as JSON."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from guardian.cli.audit.answers.order_steps import LifeStep, steps_of
from guardian.cli.audit.wording.order_words import order_fields, order_text, state_text
from guardian.cli.audit.wording.words import joined, named, part
from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.render import Tone, Toned, fields, print_json, print_line, say
from guardian.cli.support.times import utc_time
from guardian.domain.money import plain
from guardian.domain.text.escaping import clean
from guardian.domain.text.plain_data import to_plain
from guardian.home.folder import checked_home
from guardian.store.answers.judgement import JudgedRule
from guardian.store.answers.order_life import NamedOrder, OrderLife, find_order, read_life
from guardian.store.schema.files import DATABASE_NAME

_STEP_WIDTH: Final = 10
_INDENT: Final = 14 + _STEP_WIDTH
_LEAST_WIDTH: Final = 60


def print_order(name: str, *, as_json: bool) -> int:
    """Print the life of the order of that name; returns the exit code. Raises StoreError."""
    home = checked_home()
    found = find_order(home, name) if (home / DATABASE_NAME).exists() else ()
    orders = tuple(dict.fromkeys(found))
    if len(orders) != 1:
        if as_json:
            print_json(None)
        _say_candidates(name, orders)
        return NO
    life = read_life(home, orders[0])
    steps = steps_of(life)
    if as_json:
        print_json(_as_dict(life, steps))
    else:
        _print(life, steps)
    for gap in _gaps(life, steps):
        say(gap, Tone.WAITING)
    return FINE


def _say_candidates(name: str, orders: Sequence[NamedOrder]) -> None:
    if not orders:
        say(f"no order, proposal or call of create_order is called `{name}`; `guardian audit list` shows what is")
        return
    say(f"`{name}` may be any of these; name one of them whole")
    for one in orders:
        ids = (one.client_order_id, one.proposal_id and f"proposal {one.proposal_id}", one.call_id)
        known = ", ".join(filter(None, ids))
        say(f"  {one.environment.upper()} {one.symbol}: {known}")


def _summary(life: OrderLife) -> Iterator[tuple[str, object]]:
    stored = life.order or {}
    intent = next((row for row in life.rows if row.phase == "intent"), None)
    asked = {} if intent is None else part(intent.data, "asked")
    call = next((row for row in life.rows if row.phase == "call"), None)
    wanted = {} if call is None else part(call.data, "arguments")
    yield "order", order_text(order_fields(stored, asked, wanted))
    state = named(stored, "state")
    if state:
        text, tone = state_text(order_fields(stored), state)
        yield "state", Toned(text, tone)
    elif life.proposal is not None:
        yield "state", f"proposal {named(life.proposal, 'state')}; nothing was sent"
    else:
        yield "state", "nothing was sent"
    environment = joined(life.name.environment.upper(), named(stored, "account"), by=", account ")
    yield "environment", environment or None
    yield "client order id", life.name.client_order_id
    yield "exchange id", stored.get("order_id")
    yield "proposal", life.name.proposal_id or stored.get("proposal_id")
    yield "mandate", stored.get("mandate_id")


def _print(life: OrderLife, steps: Sequence[LifeStep]) -> None:
    fields([(name, value) for name, value in _summary(life) if value is not None])
    width = max(shutil.get_terminal_size().columns, _LEAST_WIDTH) if sys.stdout.isatty() else None
    day = ""
    for step in steps:
        date, clock = _local(step.time_ms)
        if date != day:
            day = date
            print_line("")
            print_line(f"{date} {_zone(step.time_ms)}".rstrip())
        mark = "" if step.row is None or (step.row.has_its_digest and not step.row.changed_columns) else "! "
        _lines(f"{clock:12}  {step.step:{_STEP_WIDTH - 1}} ", mark + step.text, width)
        for detail in step.details:
            _lines(" " * _INDENT, f"- {detail}", width)
        for rule in step.rules or ():
            _lines(" " * _INDENT, _rule(rule), width)


def _rule(rule: JudgedRule) -> str:
    observed, limit = plain(rule.observed.normalize()), plain(rule.limit.normalize())
    over = rule.headroom < 0
    left = f"{plain(abs(rule.headroom).normalize())} {'beyond it' if over else 'left'}"
    return f"{rule.rule}: {observed}, limit {limit} {rule.unit}, {left}"


def _lines(beginning: str, text: str, width: int | None) -> None:
    """Print a text after its beginning; on a terminal folded between words, and never within one."""
    text = clean(text)
    if width is None:
        print_line(beginning + text)
        return
    folded = textwrap.wrap(text, width - _INDENT - 2, break_long_words=False, break_on_hyphens=False) or [""]
    print_line(beginning + folded[0])
    for line in folded[1:]:
        print_line(" " * (_INDENT + 2) + line)


def _local(time_ms: int) -> tuple[str, str]:
    """The date and the time of day where the person is, to the millisecond; for no such time its number."""
    try:
        moment = datetime.fromtimestamp(time_ms // 1000).astimezone()
    except (ValueError, OverflowError, OSError):
        return "at no time that a clock can show", str(time_ms)
    return f"{moment:%Y-%m-%d}", f"{moment:%H:%M:%S}.{time_ms % 1000:03d}"


def _zone(time_ms: int) -> str:
    try:
        return f"({datetime.fromtimestamp(time_ms // 1000).astimezone():%Z})"
    except (ValueError, OverflowError, OSError):
        return ""


def _gaps(life: OrderLife, steps: Sequence[LifeStep]) -> Iterator[str]:
    """What the log does not have of this order."""
    phases = {row.phase for row in life.rows}
    if life.order is not None and life.order.get("call_id") is None:
        yield "guardian's log lacked this order and found it at the exchange: who requested it is not known here"
    elif life.name.client_order_id is not None and "intent" not in phases:
        yield "the log has no intent row of this order; `guardian audit verify` says more"
    elif life.name.client_order_id is not None and life.order is None:
        yield "the store has no row of this order; `guardian audit verify` says more"
    if "intent" in phases and not any(row.phase == "outcome" and "client_order_id" in row.data for row in life.rows):
        yield "the log has no answer of the exchange to the call that sent it"
    if life.order is not None and life.order.get("executed_quantity") != life.order.get("fee_quantity"):
        yield "not all of its fees are known"
    if life.proposal is not None and life.order is not None and not life.order.get("confirmed"):
        yield "nobody approved it: the policy gave the token to the chat, and whoever reads that can use it"
    if life.proposal is not None and not any(step.step == "shown" for step in steps):
        yield "the log has no row of the call that proposed it"
    if life.cut:
        yield "there are more rows about this order than are shown here"


def _as_dict(life: OrderLife, steps: Sequence[LifeStep]) -> dict[str, object]:
    return {
        "name": to_plain(life.name),
        "order": None if life.order is None else {name: _plain(value) for name, value in life.order.items()},
        "proposal": None if life.proposal is None else {name: _plain(value) for name, value in life.proposal.items()},
        "steps": [_step_dict(step) for step in steps],
        "missing": list(_gaps(life, steps)),
    }


def _step_dict(step: LifeStep) -> dict[str, object]:
    row = step.row
    return {
        "time": _utc(step.time_ms),
        "step": step.step,
        "text": step.text,
        "details": list(step.details),
        "rules": None if step.rules is None else to_plain(step.rules),
        "seq": None if row is None else row.seq,
        "call_id": None if row is None else _plain(row.call_id),
        "verified": None if row is None else row.has_its_digest and not row.changed_columns,
    }


def _utc(time_ms: int) -> str | None:
    try:
        return utc_time(time_ms)
    except (ValueError, OverflowError, OSError):
        return None


def _plain(value: object) -> object:
    """A cell of a table, of whatever type it is there."""
    return value if value is None or isinstance(value, bool | int | str) else repr(value)
