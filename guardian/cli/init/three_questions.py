"""The three things that a first policy needs, asked at the terminal: where, how much an order, how much a day."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeVar

from guardian.cli.init.caps import (
    LEAST,
    MOST_PER_DAY,
    MOST_PER_ORDER,
    Caps,
    read_cap,
    usual_per_day,
    usual_per_order,
)
from guardian.cli.support.owner import put
from guardian.cli.support.render import say
from guardian.cli.support.terminal import forget_typed_ahead, read_answer

T = TypeVar("T")

KINDS: Final = {
    "paper": "an exchange inside guardian: no keys, no network, no money",
    "testnet": "Binance's testnet: real order books and play money, with a key of its own",
    "read-only": "looks at prices and an account, and never trades",
}
"""The ready-made policies, with what each is for."""


class NoAnswer(Exception):
    """The input ended. Nothing was written."""


def ask_kind(usual: str) -> str:
    """Returns which ready-made policy to start from. Raises NoAnswer."""
    say("where may the assistant act?")
    for name, words in KINDS.items():
        say(f"  {name.ljust(max(map(len, KINDS)))}  {words}")
    say("real money (`live`) comes later, as an edit of the policy")

    def read(text: str) -> str:
        if text not in KINDS:
            raise ValueError(f"write one of {', '.join(KINDS)}")
        return text

    return _ask("where", usual, lambda text: read(text.lower()))


def ask_caps(per_order: Decimal | None, per_day: Decimal | None, currency: str) -> Caps:
    """Returns the two caps, asking for what is not given. Raises NoAnswer."""
    if per_order is None:
        most = MOST_PER_ORDER if per_day is None else min(per_day, MOST_PER_ORDER)
        usual = usual_per_order(per_day)
        per_order = _ask(f"at most for one order, in {currency}", usual, lambda text: read_cap(text, LEAST, most))
    least = per_order
    if per_day is None:
        usual = usual_per_day(per_order)
        per_day = _ask(
            f"at most in any 24 hours, in {currency}", usual, lambda text: read_cap(text, least, MOST_PER_DAY)
        )
    return Caps(per_order, per_day)


def _ask(question: str, usual: T, read: Callable[[str], T]) -> T:
    """One answer that can be read; Enter alone takes the usual one."""
    while True:
        forget_typed_ahead()
        put(f"{question} [{usual}]: ")
        line = read_answer()
        if not line:
            say("")
            raise NoAnswer
        text = line.strip()
        if not text:
            return usual
        try:
            return read(text)
        except ValueError as mistake:
            say(str(mistake))
