"""Makes a home, begins its log, and puts a policy into it that is read and tried before."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NoReturn

import click

from guardian.cli.init.caps import USUAL_PER_DAY, USUAL_PER_ORDER, Caps, usual_per_day, usual_per_order
from guardian.cli.init.policy_text import policy_text
from guardian.cli.init.three_questions import NoAnswer, ask_caps, ask_kind
from guardian.cli.init.worst_day import most_in_a_day
from guardian.cli.support.exit_codes import NO
from guardian.cli.support.opened_home import with_journal
from guardian.cli.support.owner import ask_yes, require_owner
from guardian.cli.support.render import print_json, say, say_error, say_hint
from guardian.cli.support.terminal import is_terminal
from guardian.clients.entries import own_entry
from guardian.clients.known import USUAL_NAME, client_named
from guardian.domain.money import plain
from guardian.errors import PolicyInvalid
from guardian.gate.base.journal import Journal
from guardian.gate.base.policy_file import read_policy_text
from guardian.gate.owner.policy_approval import ApprovedPolicies
from guardian.home.folder import DEFAULT_POLICY, HOME_VARIABLE, home_folder, ready_made_policy
from guardian.home.seal_at_use import seal_home
from guardian.policy.loading.load import load_policy
from guardian.policy.looser import compare_policies
from guardian.policy.model import Policy
from guardian.store.opening import begin_log, is_lost
from guardian.store.schema.files import POLICY_NAME
from guardian.system.private_files import check_home, create_file, make_folder, replace_file

_READ_ONLY: Final = "read-only"
_CURRENCY: Final = "USDT"
"""Of every ready-made policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the options said; what is None is asked, or is the usual."""

    name: str | None
    per_order: Decimal | None
    per_day: Decimal | None
    replace: bool
    asks: bool


def set_up_home(ctx: click.Context, wishes: Wishes, now: datetime) -> None:
    """Make the home with a policy, and say what was made; ends the command where that cannot be.

    Questions are put at a terminal alone. Until they are answered nothing is written. `now` is the local time.
    """
    home = home_folder()
    policy = home / POLICY_NAME
    is_asking = wishes.asks and is_terminal(sys.stdin) and is_terminal(sys.stderr)
    try:
        check_home(home)
        if is_lost(home):
            if not _agrees_to_begin_again(home):
                ctx.exit(NO)
            begin_log(home)
            say("a new log is begun; `guardian audit reconcile` compares it with the exchange now")
            if policy.exists():
                return
        if os.path.lexists(policy) and not wishes.replace:
            _refuse_existing(ctx, policy)
        name, text = _chosen(ctx, wishes, now, is_asking=is_asking)
        made = load_policy(text)
        make_folder(home)
        begin_log(home)
        copy = _put(ctx, policy, text, made, now, is_asking=is_asking)
    except FileExistsError:
        _refuse_existing(ctx, policy)
    except OSError as error:
        say_error(f"`{policy}` cannot be made: {error.strerror or 'no reason given'}")
        say_hint(f"set {HOME_VARIABLE} to a folder that you can write")
        ctx.exit(NO)
    say(f"made `{policy}` from the `{name}` policy; read it, it is yours to edit")
    if (sealed := seal_home(asks_nothing=True)) is not None:
        say(sealed)
    if copy is not None:
        say(f"the policy from before is in `{copy}`")
        with_journal(lambda journal: _say_whether_it_is_in_force(journal, made))
    _say_most(made)
    _say_next(name, is_asking=is_asking)


def _refuse_existing(ctx: click.Context, policy: Path) -> NoReturn:
    say_error(f"`{policy}` is there already; it was left as it is")
    say_hint(
        "edit it, then `guardian policy check`; or `guardian init --replace` puts a new one in its place and keeps a "
        "dated copy"
    )
    ctx.exit(NO)


def _chosen(ctx: click.Context, wishes: Wishes, now: datetime, *, is_asking: bool) -> tuple[str, str]:
    """The name of the ready-made policy, and the text that was made of it."""
    name, per_order, per_day = wishes.name, wishes.per_order, wishes.per_day
    try:
        if name is None:
            name = ask_kind(DEFAULT_POLICY) if is_asking and per_order is None else DEFAULT_POLICY
        text = ready_made_policy(name).read_text("utf-8")
        if name == _READ_ONLY:
            return name, text
        if is_asking:
            caps = ask_caps(per_order, per_day, _CURRENCY)
        else:
            per_order = usual_per_order(per_day) if per_order is None else per_order
            caps = Caps(per_order, usual_per_day(per_order) if per_day is None else per_day)
    except NoAnswer:
        say("nothing was written")
        ctx.exit(NO)
    is_usual = caps == Caps(USUAL_PER_ORDER, USUAL_PER_DAY)
    return name, text if is_usual else policy_text(text, caps, f"{now:%Y-%m-%d}")


def _put(ctx: click.Context, policy: Path, text: str, made: Policy, now: datetime, *, is_asking: bool) -> Path | None:
    """Put the policy into the home, as a whole; returns the copy of the one that was there. Raises OSError."""
    if not os.path.lexists(policy):
        create_file(policy, text.encode("utf-8"))
        return None
    before = read_policy_text(policy, packaged=False)
    if is_asking:
        _say_changes(before, made)
        if not ask_yes(f"put the new policy in the place of `{policy}`?"):
            say("nothing was changed")
            ctx.exit(NO)
    copy = _copy_of(policy, before, now)
    replace_file(policy, text.encode("utf-8"))
    return copy


def _copy_of(policy: Path, text: str, now: datetime) -> Path:
    number = 0
    while True:
        copy = policy.with_name(f"{policy.name}.{now:%Y%m%d-%H%M%S}{f'-{number}' if number else ''}.bak")
        try:
            create_file(copy, text.encode("utf-8"))
        except FileExistsError:
            number += 1
            continue
        return copy


def _say_changes(before: str, made: Policy) -> None:
    """What becomes looser and what tighter; a policy that cannot be read has nothing to compare with."""
    try:
        compared = compare_policies(load_policy(before), made)
    except PolicyInvalid:
        say("the policy that is there has mistakes, and allows nothing")
        return
    for change in compared.looser:
        say(f"  looser: {change}")
    for change in compared.tighter:
        say(f"  tighter: {change}")
    if not compared.looser and not compared.tighter:
        say("  no limit changes")


def _say_whether_it_is_in_force(journal: Journal, made: Policy) -> None:
    with journal.transaction() as tx:
        pending = ApprovedPolicies().pending(tx, made)
    say(
        "it is in force at the next call"
        if pending is None
        else "it is looser than the one in force, and waits for `guardian policy approve`"
    )


def _say_most(made: Policy) -> None:
    most = most_in_a_day(made)
    if most is None:
        say("under it nothing can be bought or sold")
        return
    largest = max(limits.max_notional for limits in made.symbols.values())
    currency = made.accounting.currency
    say(
        f"at worst it buys for {plain(most)} {currency} in any 24 hours, fees besides; one order is at most "
        f"{plain(largest)} {currency}, of {' or '.join(sorted(made.symbols))}"
    )
    if made.confirmation.required_above == 0:
        say("each order waits for your yes: `guardian approve`")


def _say_next(name: str, *, is_asking: bool) -> None:
    if name == "testnet":
        say("next: `guardian keys add testnet` stores an API key of the Binance testnet in your keyring")
    elif name == _READ_ONLY:
        say("prices need no key; for balances and orders store one that may read and nothing else, as the policy says")
    say("next: `guardian install claude-desktop`, or `claude-code`, `cursor`, `vscode`")
    if not is_asking:
        say("or put this entry into the configuration of another client")
        print_json(desktop_entry())


def _agrees_to_begin_again(home: Path) -> bool:
    """Whether the owner agrees to a new log in place of one that is lost."""
    require_owner("begin a new log in place of one that is lost")
    say(f"the log of `{home}` is lost: what guardian ordered, and what is left of every budget, is not known")
    say("a copy of it that you have is better: put `guardian.db` back, and run no `guardian init`")
    say("a new log begins with every budget unused; before its first order guardian looks for its own orders at the")
    say("exchange, counts those that it finds, and halts trading until you have looked")
    if not ask_yes("begin a new log?"):
        say("nothing was changed")
        return False
    return True


def desktop_entry() -> dict[str, object]:
    """The entry as a whole `claude_desktop_config.json`: absolute paths, and no secret, because none is needed."""
    return client_named("claude-desktop").document(USUAL_NAME, own_entry(home_folder()))
