"""Promise 6, row by row: a world in which one rule, or one halting cause, says no; then a cancel and a full exit.

`python -m tests.adversary.exit_table` prints what passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from guardian.cli.trading.halting import halt, reduce
from guardian.domain.codes import Outcome
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.gate.base.replies import OrderCancelled, OrderProposed, Reply
from guardian.gate.recovery.reconcile import Reconciler
from tests.adversary.rest import Post
from tests.adversary.rig import Rig, a_rig, spec
from tests.adversary.venue import Market, Order
from tests.support.tamper import tamper

D = Decimal
HELD = "0.00099"
"""What is left to be sold of 0.001 BTC after the fee that was taken of it, in whole steps."""
OWN = "0.0011"
"""More than guardian bought: a SELL that is no exit."""


class Exit(StrEnum):
    """What becomes of selling back all that guardian bought."""

    PASSES = "passes"
    ASKED = "passes once a person agreed"
    DENIED = "is denied too"


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One thing that says no."""

    rule: str
    """The name of the rule, or of the halting cause."""
    code: str
    expected: Exit
    why: str = ""
    """What tells it from other rows with its code, in the README's words."""
    world: Callable[[Rig], None] = lambda _rig: None
    policy: dict[str, Any] | None = None
    no: OrderSpec | None = None
    """What is denied; by default a LIMIT BUY."""
    sale: OrderSpec | None = None
    """The full exit; by default a LIMIT SELL of all that is held."""
    symbol: str = "BTCUSDT"
    is_confirmed: bool = False
    """Both are approved first, and the world changes between the approval and the use of the token."""
    is_halt: bool = False

    @property
    def name(self) -> str:
        return f"{self.rule} {self.code}{f' ({self.why})' if self.why else ''}"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a row."""

    denied: set[str]
    """The codes with which the other order was denied."""
    cancelled: bool
    exit: Exit | None
    """None where it ended in another way."""
    codes: set[str]
    """The codes with which the exit was denied."""
    told: Reply


def play(row: Row, folder: Path) -> Seen:
    """Buy, leave an order open, let the row's world come about, and try."""
    with a_rig(folder) as rig:
        assert rig.ask(spec(row.symbol)).outcome is Outcome.DONE
        assert rig.ask(spec(row.symbol, price="40000")).outcome is Outcome.DONE
        rig.clock.forward(2)
        resting = next(order for order in rig.venue.orders if order.is_open)
        if row.policy is not None:
            rig.policy(row.policy)
        no = row.no or spec(row.symbol, price="59000")
        sale = row.sale or spec(row.symbol, "SELL", HELD, price="60000")
        tokens = [_token(rig, order) for order in (no, sale)] if row.is_confirmed else []
        row.world(rig)
        denied = _codes(rig.use(tokens[0]) if tokens else rig.ask(no))
        before = len(rig.front.posts)
        told = rig.use(tokens[1]) if tokens else rig.ask(sale)
        exit_ = {Outcome.DONE: Exit.PASSES, Outcome.DENIED: Exit.DENIED, Outcome.CONFIRMATION_REQUIRED: Exit.ASKED}
        sent = len(rig.front.posts) - before
        assert sent == (told.outcome is Outcome.DONE), told
        cancel = rig.cancel(row.symbol, client_order_id=resting.client_id)
        cancelled = isinstance(cancel.data, OrderCancelled) and resting.status == "CANCELED"
        return Seen(denied=denied, cancelled=cancelled, exit=exit_.get(told.outcome), codes=_codes(told), told=told)


def _token(rig: Rig, order: OrderSpec) -> str:
    reply = rig.ask(order)
    assert isinstance(reply.data, OrderProposed), reply
    return rig.approve(reply.data.proposal_id)


def _codes(reply: Reply) -> set[str]:
    if reply.error is None:
        return set()
    return {denial.code.name for denial in reply.error.denials} | {reply.error.code.name}


# -- worlds


def market(
    change: Callable[[Market], object], *, restarts: bool = False, symbol: str = "BTCUSDT"
) -> Callable[[Rig], None]:
    """The market is otherwise; with `restarts` no process remembers how it was."""

    def world(rig: Rig) -> None:
        change(rig.venue.markets[symbol])
        if restarts:
            rig.restart()

    return world


def sets(**fields: object) -> Callable[[Market], None]:
    return lambda one: one.__dict__.update(fields)


def limits(**fields: object) -> dict[str, Any]:
    return {"limits": fields}


def symbol_limits(**fields: object) -> dict[str, Any]:
    return {"symbols": {"BTCUSDT": fields}}


def owner_halts(rig: Rig) -> None:
    halt(rig.process.journal, "a test")


def owner_reduces(rig: Rig) -> None:
    assert reduce(rig.process.journal, "a test")


def policy_breaks(rig: Rig) -> None:
    rig.write("schema = 1\nnonsense = true\n")


def an_answer_takes_long(rig: Rig) -> None:
    rig.front.slow["/api/v3/ticker/bookTicker"] = 6.0


def no_answer(path: str, *, restarts: bool = False) -> Callable[[Rig], None]:
    def world(rig: Rig) -> None:
        if restarts:
            rig.restart()
        rig.front.down.add(path)

    return world


def clock_is_wrong(rig: Rig) -> None:
    rig.clock.wrong_ms = 5000


def a_sale_was_too_large(rig: Rig) -> None:
    """It is held against SELLs for a while, and another sale has used some of that."""
    assert _codes(rig.ask(spec("BTCUSDT", "SELL", "0.01", price="60000"))) == {"NOTIONAL_EXCEEDS_MAX"}
    assert rig.ask(spec("BTCUSDT", "SELL", OWN, price="61000")).outcome is Outcome.DONE
    assert rig.cancel("BTCUSDT", client_order_id=rig.front.posts[-1].client_id).outcome is Outcome.DONE


def it_was_sent_before(rig: Rig) -> None:
    """Both orders were placed a moment ago, and cancelled."""
    for order in (spec("BTCUSDT", price="59000"), spec("BTCUSDT", "SELL", HELD, price="60500")):
        assert rig.ask(order).outcome is Outcome.DONE
        assert rig.cancel("BTCUSDT", client_order_id=rig.front.posts[-1].client_id).outcome is Outcome.DONE


def ether_cannot_be_priced(rig: Rig) -> None:
    assert rig.ask(spec("ETHUSDT", quantity="0.02")).outcome is Outcome.DONE
    rig.venue.show("ETHUSDT", D(0), D(0))


def currency_is_edited(rig: Rig) -> None:
    """An order was judged in USDT, and nothing says what that is worth in USDC."""
    assert rig.ask(spec("ETHUSDT", quantity="0.02", price="2000")).outcome is Outcome.DONE
    rig.policy({"accounting": {"currency": "USDC", "conversions": {"BTC": "BTCUSDC", "ETH": None, "USDC": None}}})


def bitcoin_falls(rig: Rig) -> None:
    rig.venue.moves("BTC", D("0.95"))


def fate_is_unknown(order: OrderSpec) -> Callable[[Rig], None]:
    """An order's reply is lost, and no read shows it."""

    def hide(post: Post) -> None:
        if isinstance(post.order, Order):
            post.order.is_hidden = True

    def world(rig: Rig) -> None:
        rig.front.lose, rig.front.after_post = ["reply"], hide
        assert rig.ask(order).outcome is Outcome.UNKNOWN
        rig.front.after_post = lambda _post: None

    return world


def rejects(rig: Rig) -> None:
    rig.front.lose = ["refused"] * 5
    for number in range(5):
        assert rig.ask(spec("BTCUSDT", price=str(50000 + number))).outcome is Outcome.REJECTED


def many_at_once(rig: Rig) -> None:
    """Exits, for they spend nothing of `max_orders`."""
    rig.policy(limits(max_orders=[{"window": "1m", "max": 5}]))
    for number in range(9):
        assert rig.ask(spec("BTCUSDT", "SELL", "0.0001", price=str(61000 + number))).outcome is Outcome.DONE
        assert rig.cancel("BTCUSDT", client_order_id=rig.front.posts[-1].client_id).outcome is Outcome.DONE


def clock_is_far_off(rig: Rig) -> None:
    rig.clock.wrong_ms = 60_000
    rig.ask(spec("BTCUSDT", price="59000"))
    rig.clock.wrong_ms = 0


def log_and_exchange_contradict(rig: Rig) -> None:
    """An order that was cancelled is there again."""
    assert rig.ask(spec("BTCUSDT", price="41000")).outcome is Outcome.DONE
    assert rig.cancel("BTCUSDT", client_order_id=rig.front.posts[-1].client_id).outcome is Outcome.DONE
    rig.clock.forward(120)
    order = rig.front.posts[-1].order
    assert order is not None
    order.status = "NEW"
    rig.run(Reconciler(rig.process.context).run(("BTCUSDT",)))


def exchange_tells_of_another_price(rig: Rig) -> None:
    """An open order of guardian's is reported with another price than was sent."""
    assert rig.ask(spec("BTCUSDT", price="41000")).outcome is Outcome.DONE
    order = rig.front.posts[-1].order
    assert order is not None
    order.price = D(40999)
    rig.run(Reconciler(rig.process.context).run(("BTCUSDT",)))


def order_is_not_in_the_log(rig: Rig) -> None:
    """The exchange has an order with guardian's mark that the log lacks."""
    assert rig.ask(spec("BTCUSDT", price="41000")).outcome is Outcome.DONE
    order = rig.front.posts[-1].order
    assert order is not None
    order.client_id, order.order_id = "g1-" + "e" * 32, order.order_id + 1000
    rig.run(Reconciler(rig.process.context).run(("BTCUSDT",)))


def something_was_not_written(rig: Rig) -> None:
    assert rig.process.journal.note_emergency({"kind": "outcome", "call_id": "1", "outcome": "done"})


def chain_breaks(rig: Rig) -> None:
    rig.process.close()
    tamper(rig, "UPDATE audit SET digest = x'00' WHERE seq = 3")
    rig.restart()


def stop(symbol: str, side: str, quantity: str, at: str) -> OrderSpec:
    """A stop order that has no limit price."""
    return OrderSpec(
        symbol=symbol, side=OrderSide(side), order_type=OrderType.STOP_LOSS, quantity=D(quantity), stop_price=D(at)
    )
