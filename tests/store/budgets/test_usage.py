"""What counts, exactly as the table in `guardian/store/budgets/usage.py` says."""

from __future__ import annotations

import shutil
import tempfile
from decimal import ROUND_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardian.domain.order_states import ORDER_MOVES, OrderState
from guardian.domain.orders import OrderSide
from guardian.store.budgets.usage import offered_of
from tests.store.support.store_world import MINUTE, World
from tests.support.profiles import tries

WINDOW = 5 * MINUTE
PATHS: dict[OrderState, tuple[OrderState, ...]] = {
    OrderState.RESERVED: (),
    OrderState.UNKNOWN: (OrderState.UNKNOWN,),
    OrderState.OPEN: (OrderState.OPEN,),
    OrderState.PART_FILLED: (OrderState.PART_FILLED,),
    OrderState.FILLED: (OrderState.FILLED,),
    OrderState.CANCELLED: (OrderState.OPEN, OrderState.CANCELLED),
    OrderState.EXPIRED: (OrderState.EXPIRED,),
    OrderState.REJECTED: (OrderState.REJECTED,),
    OrderState.NOT_PLACED: (OrderState.UNKNOWN, OrderState.NOT_PLACED),
}
VOID = {OrderState.REJECTED, OrderState.NOT_PLACED}
UNSURE = {OrderState.RESERVED, OrderState.UNKNOWN}


def place_in(world: World, state: OrderState, *, executed: str = "0", **changes: Any) -> str:
    name = world.place(**changes)
    for step in PATHS[state]:
        world.move(name, step, executed=executed)
    return name


@pytest.mark.parametrize("state", list(OrderState))
def test_each_state_counts_as_the_table_says(world: World, state: OrderState) -> None:
    """Rolling notional, order count, open notional and duplicate, for every state of an order of 100."""
    partly = state is OrderState.PART_FILLED
    name = place_in(world, state, executed="0.0005" if partly else "0")
    usage = world.usage()
    assert usage.entered[WINDOW] == (0 if state in VOID else 100)
    assert usage.ordered[MINUTE] == 1
    expected_open = {OrderState.OPEN: Decimal(100), OrderState.PART_FILLED: Decimal(75)}
    assert usage.open_notional == (100 if state in UNSURE else expected_open.get(state, 0))
    assert usage.open_orders == usage.open_orders_on_symbol == (1 if state in UNSURE or state in expected_open else 0)
    assert usage.duplicate_of == (None if state in VOID else name)
    assert usage.orders_since_person == 1
    assert usage.unconfirmed_since_person == (0 if state in VOID else 100)


@pytest.mark.parametrize("state", list(OrderState))
def test_exit_spends_no_budget_and_counts_in_what_went_on_without_a_person(world: World, state: OrderState) -> None:
    """An exit is in no budget, but it is one more order, and its notional, that was entered without a person."""
    place_in(world, state, is_exit=True, spec=world.spec(side=OrderSide.SELL))
    usage = world.usage()
    assert usage.entered[WINDOW] == usage.ordered[MINUTE] == usage.open_notional == usage.open_orders == 0
    assert usage.unconfirmed_since_person == (0 if state in VOID else 100)
    assert usage.orders_since_person == 1


def test_nothing_counts_in_another_scope(world: World) -> None:
    """Another environment, or another account of the same, has budgets of its own."""
    place_in(world, OrderState.OPEN)
    usage = world.usage(scope=world.other)
    assert usage.entered[WINDOW] == usage.open_notional == usage.orders_since_person == usage.open_orders == 0
    assert usage.position == usage.open_buys == 0
    assert usage.duplicate_of is None


def test_order_leaves_a_window_when_the_window_has_passed(world: World) -> None:
    """An order counts while it was reserved after now less the window, and not at its very end."""
    world.place()
    world.clock_ms += WINDOW - 1
    assert world.usage().entered[WINDOW] == 100
    world.clock_ms += 1
    assert world.usage().entered[WINDOW] == 0
    assert world.usage().entered[60 * MINUTE] == 100


def test_clock_that_steps_forward_and_back_frees_no_budget(world: World) -> None:
    """Window time does not go back, so what was entered at the later time still counts."""
    world.clock_ms += 30 * MINUTE
    world.place()
    world.clock_ms -= 30 * MINUTE
    assert world.usage().entered[WINDOW] == 100


@pytest.mark.parametrize("forward", [WINDOW, 25 * 60 * MINUTE])
def test_clock_that_was_far_ahead_for_a_moment_takes_nothing_out_of_a_window(world: World, forward: int) -> None:
    """Budgets, duplicates, the trading of the day: a look at the wrong time frees nothing of them."""
    name = world.place()
    world.move(name, OrderState.FILLED, executed="0.002")
    world.clock_ms += forward
    assert world.usage().entered[WINDOW] == 0
    world.clock_ms -= forward
    for _ in range(2):
        usage = world.usage()
        assert usage.entered[WINDOW] == usage.entered[60 * MINUTE] == 100
        assert usage.ordered == {MINUTE: 1, 60 * MINUTE: 1}
        assert usage.duplicate_of == name
        assert usage.traded[0].position_before == 0
        world.reopen()
    for window in (MINUTE, WINDOW, 60 * MINUTE):
        world.clock_ms += window
        world.monotonic_s += window / 1000
        assert world.usage().entered.get(window, 0) == 0
    assert world.usage().ordered == {MINUTE: 0, 60 * MINUTE: 0}


def test_remainder_is_rounded_up_at_the_eighth_digit(world: World) -> None:
    """A part-filled order counts for what remains of it, never a hair too little."""
    name = world.place(spec=world.spec(quantity="3"), notional=Decimal(100))
    world.move(name, OrderState.PART_FILLED, executed="1")
    assert world.usage().open_notional == Decimal("66.66666667")


def test_duplicate_is_the_same_order_within_the_window_or_one_that_is_unknown(world: World) -> None:
    """The same symbol, side, type, quantity and prices; an unresolved one counts whatever its age."""
    done = place_in(world, OrderState.FILLED)
    assert world.usage().duplicate_of == done
    assert world.usage(world.spec(price="50001")).duplicate_of is None
    assert world.usage(world.spec(quantity="0.003")).duplicate_of is None
    world.clock_ms += MINUTE
    assert world.usage().duplicate_of is None
    unsure = place_in(world, OrderState.UNKNOWN)
    world.clock_ms += 1000 * MINUTE
    assert world.usage().duplicate_of == unsure


def test_what_a_sell_may_still_be_paid_counts_as_what_open_orders_may_bring(world: World) -> None:
    """BTC that an open or unknown SELL of ETHBTC brings is on its way as that of a BUY is; executed, it is there."""
    spec = world.spec(symbol="ETHBTC", side=OrderSide.SELL, quantity="2", price="0.05")
    unsure = world.place(spec=spec, quote_notional=Decimal("0.11"))
    world.place(spec=world.spec(quantity="0.01"))
    world.place(spec=world.spec(side=OrderSide.SELL, quantity="0.3"))  # brings USDT
    assert world.usage().open_buys == Decimal("0.11") + Decimal("0.01")
    with world.store.transaction() as tx:
        before = tx.snapshots.take(world.scope)
    world.move(unsure, OrderState.PART_FILLED, executed="0.5", quote="0.026")
    assert world.usage().open_buys == Decimal("0.0825") + Decimal("0.01")
    assert (world.usage().position, world.usage().bought_since) == (Decimal("0.026"), Decimal(0))
    with world.store.transaction() as tx:
        assert world.usage_in(tx, snapshot=before).bought_since == Decimal("0.026")


def test_position_is_what_was_executed_less_fees(world: World) -> None:
    """Bought less sold less fees in the base asset; what is not executed is open or offered."""
    buy = world.place(spec=world.spec(quantity="1"))
    world.move(buy, OrderState.PART_FILLED, executed="0.6", fee="0.0006")
    sell = world.place(spec=world.spec(side=OrderSide.SELL, quantity="0.5"), is_exit=True)
    world.move(sell, OrderState.PART_FILLED, executed="0.2")
    gone = world.place(spec=world.spec(quantity="0.1"))
    world.move(gone, OrderState.CANCELLED, executed="0.05")
    world.place(spec=world.spec(quantity="0.01"))  # reserved: it may be bought
    world.place(spec=world.spec(symbol="ETHUSDT", quantity="9"))
    usage = world.usage()
    assert usage.position == Decimal("0.6") - Decimal("0.2") + Decimal("0.05") - Decimal("0.0006")
    assert usage.open_buys == Decimal("0.4") + Decimal("0.01")
    assert usage.offered == Decimal("0.3")


def test_open_purchase_holds_back_of_its_quote_asset_what_it_may_still_spend(world: World) -> None:
    """All of it while its fate is unknown; what the amended remainder costs once it is known.

    Before, an order that its owner had halved held back its whole worth, and an exit of the quote asset was denied.
    """
    spec = world.spec(quantity="0.002", price="50000")
    name = world.place(spec=spec)
    assert offered_of(world.order(name), "USD") == 0
    assert offered_of(world.order(name), spec.symbol[3:]) == Decimal(100)
    halved = world.report(executed="0.0004", quote="19", quantity="0.001")
    with world.store.transaction() as tx:
        assert tx.orders.move(name, OrderState.PART_FILLED, report=halved)
    assert offered_of(world.order(name), spec.symbol[3:]) == Decimal("0.0006") * 50000


def test_stop_orders_are_counted_on_their_symbol(world: World) -> None:
    """Open orders of the symbol, and among them those that wait for a stop price."""
    world.place(wire_type="STOP_LOSS_LIMIT")
    world.place(spec=world.spec(price="1"))
    world.place(spec=world.spec(symbol="ETHUSDT"), wire_type="TAKE_PROFIT_LIMIT")
    usage = world.usage()
    assert (usage.open_orders, usage.open_orders_on_symbol, usage.open_stop_orders_on_symbol) == (3, 2, 1)


def test_person_acting_resets_what_went_on_without_them(world: World) -> None:
    """By the place in the log and for the scope, or for all; confirmed orders were not without them."""
    world.place()
    world.place(confirmed=True)
    usage = world.usage()
    assert (usage.orders_since_person, usage.unconfirmed_since_person) == (2, Decimal(100))
    with world.store.transaction() as tx:
        tx.acts.record(world.other, "something else")
    assert world.usage().orders_since_person == 2
    with world.store.transaction() as tx:
        tx.acts.record(world.scope, "approved")
    usage = world.usage()
    assert (usage.orders_since_person, usage.unconfirmed_since_person) == (0, Decimal(0))
    assert usage.entered[WINDOW] == 200
    world.place(scope=world.other)
    with world.store.transaction() as tx:
        tx.acts.record(None, "resumed")
    assert world.usage(scope=world.other).orders_since_person == 0


def test_status_has_the_same_numbers_as_the_rules(world: World) -> None:
    """What a person is shown is what the rules count."""
    place_in(world, OrderState.OPEN)
    place_in(world, OrderState.UNKNOWN, spec=world.spec(price="50001"))
    with world.store.transaction() as tx:
        status = tx.usage.status(world.scope, world.limits, "USDT")
    usage = world.usage()
    for name in (
        "entered",
        "ordered",
        "open_notional",
        "open_orders",
        "orders_since_person",
        "unconfirmed_since_person",
    ):
        assert getattr(status, name) == getattr(usage, name), name
    assert status.unresolved == 1


def test_sums_are_exact(world: World) -> None:
    """A hundred thousandths of a cent and the largest amount add up to the last digit."""
    world.place(notional=Decimal("99999999999999999999.00000001"))
    world.place(spec=world.spec(price="1"), notional=Decimal("0.00000001"))
    assert world.usage().entered[WINDOW] == Decimal("99999999999999999999.00000002")


# -- slicing


def deny(world: World, symbol: str = "BTCUSDT", side: OrderSide = OrderSide.BUY) -> None:
    with world.store.transaction() as tx:
        tx.slicing.mark(world.scope, symbol, side)


def test_slicing_sums_what_was_entered_since_the_denial(world: World) -> None:
    """Only the symbol and side, only after the mark, neither void orders nor exits."""
    world.place()
    deny(world)
    marked = world.clock_ms
    world.clock_ms += 1000
    world.place(notional=Decimal(30))
    world.place(spec=world.spec(price="1"), notional=Decimal(5))
    world.place(spec=world.spec(symbol="ETHUSDT"))
    world.place(spec=world.spec(side=OrderSide.SELL))
    world.place(spec=world.spec(price="2"), is_exit=True)
    world.move(world.place(spec=world.spec(price="3")), OrderState.REJECTED)
    usage = world.usage()
    assert usage.sliced_since_ms == marked
    assert usage.sliced_entered == 35
    assert world.usage(world.spec(side=OrderSide.SELL)).sliced_since_ms is None


def test_more_denials_do_not_extend_the_mark(world: World) -> None:
    """The mark ends 15 minutes after the first denial, however many follow."""
    deny(world)
    marked = world.clock_ms
    for _ in range(14):
        world.clock_ms += MINUTE
        deny(world)
    assert world.usage().sliced_since_ms == marked
    world.clock_ms += MINUTE - 1
    assert world.usage().sliced_since_ms == marked
    world.clock_ms += 1
    assert world.usage().sliced_since_ms is None


def test_denial_after_the_mark_has_ended_is_a_new_mark(world: World) -> None:
    """It is counted from the new denial on."""
    deny(world)
    world.clock_ms += 15 * MINUTE
    world.place()
    deny(world)
    usage = world.usage()
    assert usage.sliced_since_ms == world.clock_ms
    assert usage.sliced_entered == 0


def test_approval_ends_the_mark(world: World) -> None:
    """A person's approval on that side ends it; the other side's mark stays."""
    deny(world)
    deny(world, side=OrderSide.SELL)
    with world.store.transaction() as tx:
        tx.slicing.clear(world.scope, "BTCUSDT", OrderSide.BUY)
    assert world.usage().sliced_since_ms is None
    assert world.usage(world.spec(side=OrderSide.SELL)).sliced_since_ms is not None


# -- against a naive model

STEP = st.tuples(
    st.sampled_from(["place", "move", "wait", "person", "deny", "end"]),
    st.integers(0, 8),
    st.sampled_from(list(OrderState)),
    st.sampled_from([OrderSide.BUY, OrderSide.SELL]),
    st.sampled_from(["BTCUSDT", "ETHUSDT"]),
    st.decimals(min_value="0.00000001", max_value="1000", places=8),
    st.booleans(),
    st.integers(0, 6),
)


def naive(
    world: World, orders: list[dict[str, Any]], acted: int, marks: list[tuple[int, int]], now: int
) -> dict[str, Any]:
    """The same numbers from a plain list, with fractions instead of decimals."""
    ours = [order for order in orders if order["scope"] == world.scope]
    entering = [order for order in ours if not order["exit"]]
    counted = [order for order in entering if order["state"] not in VOID]
    on_symbol = [order for order in ours if order["symbol"] == "BTCUSDT"]
    pending = {*UNSURE, OrderState.OPEN, OrderState.PART_FILLED}

    def still_open(order: dict[str, Any]) -> Any:
        if order["state"] in UNSURE:
            return order["notional"]
        if order["state"] not in pending:
            return Decimal(0)
        left = Fraction(order["notional"]) * Fraction(order["quantity"] - order["done"]) / Fraction(order["quantity"])
        whole = -((-left * 10**8) // 1)
        return (Decimal(int(whole)) / 10**8).quantize(Decimal("0.00000001"), rounding=ROUND_UP)

    def remaining(side: OrderSide) -> Decimal:
        rows = [o for o in on_symbol if o["side"] is side and o["state"] in pending]
        return sum((o["quantity"] - o["done"] for o in rows), Decimal(0))

    mark = None
    for since, place in marks:
        if mark is None or since >= mark[0] + world.limits.anti_slicing_window_ms:
            mark = (since, place)
    if mark is not None and mark[0] + world.limits.anti_slicing_window_ms <= now:
        mark = None
    sliced = [
        o for o in counted if mark and o["symbol"] == "BTCUSDT" and o["side"] is OrderSide.BUY and o["place"] > mark[1]
    ]
    bought = sum((o["done"] * (1 if o["side"] is OrderSide.BUY else -1) for o in on_symbol), Decimal(0))
    recent = [o for o in ours if o["place"] > acted]
    return {
        "entered": {
            w: sum((o["notional"] for o in counted if o["at"] > now - w), Decimal(0)) for w in (WINDOW, 60 * MINUTE)
        },
        "ordered": {w: sum(o["at"] > now - w for o in entering) for w in (MINUTE, 60 * MINUTE)},
        "open_notional": sum((still_open(o) for o in entering), Decimal(0)),
        "open_orders": sum(o["state"] in pending for o in entering),
        "position": bought,
        "open_buys": remaining(OrderSide.BUY),
        "offered": remaining(OrderSide.SELL),
        "orders_since_person": len(recent),
        "unconfirmed_since_person": sum(
            (o["notional"] for o in recent if o["state"] not in VOID and not o["confirmed"]), Decimal(0)
        ),
        "sliced_since_ms": None if mark is None else mark[0],
        "sliced_entered": sum((o["notional"] for o in sliced), Decimal(0)),
    }


@settings(max_examples=tries(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=25))
def test_usage_equals_a_naive_model_over_any_sequence(steps: list[tuple[Any, ...]]) -> None:
    """Whatever is placed, moved, waited for, denied and approved: every number is that of a plain list."""
    folder = Path(tempfile.mkdtemp(prefix="guardian-usage-"))
    world = World(folder / "home")
    orders, marks, acted, latest = [], [], 0, world.clock_ms  # opening looks at the clock too
    try:
        for kind, number, state, side, symbol, amount, flag, tenths in steps:
            if kind == "place":
                scope = world.other if number == 8 else world.scope
                spec = world.spec(side=side, symbol=symbol, quantity=str(amount))
                name = world.place(scope=scope, spec=spec, notional=amount, is_exit=flag and side is OrderSide.SELL,
                                   confirmed=flag and side is OrderSide.BUY)  # fmt: skip
                row = world.order(name)
                orders.append({
                    "name": name, "scope": scope, "side": side, "symbol": symbol, "notional": amount,
                    "quantity": amount, "done": Decimal(0), "state": OrderState.RESERVED, "exit": row.is_exit,
                    "confirmed": row.confirmed, "at": row.reserved_ms, "place": row.intent_seq,
                })  # fmt: skip
            elif kind == "move" and orders:
                order = orders[number % len(orders)]
                done = (order["quantity"] * min(tenths, 5) / 5).quantize(Decimal("0.00000001"))
                moved = world.move(order["name"], state, executed=f"{done:f}")
                if state in ORDER_MOVES[order["state"]] or state is order["state"]:
                    order["state"], order["done"] = state, max(order["done"], done)
                else:
                    assert not moved
            elif kind == "wait":
                world.clock_ms += number * MINUTE - 1
                continue
            elif kind == "person":
                with world.store.transaction() as tx:
                    tx.acts.record(world.scope, "approved")
                acted = max((order["place"] for order in orders), default=0)
            elif kind == "deny":
                deny(world)
                marks.append((max(latest, world.clock_ms), max((order["place"] for order in orders), default=0)))
            elif kind == "end":
                with world.store.transaction() as tx:
                    tx.slicing.clear(world.scope, "BTCUSDT", OrderSide.BUY)
                marks.clear()
            if kind != "move" or orders:
                latest = max(latest, world.clock_ms)  # the store has seen this time and does not go back
        with world.store.transaction() as tx:
            found, now = world.usage_in(tx, world.spec(quantity="999999")), tx.now_ms
        for name, value in naive(world, orders, acted, marks, now).items():
            assert getattr(found, name) == value, name
    finally:
        world.store.close()
        shutil.rmtree(folder)


def test_open_exits_count_where_the_exchange_counts_them(world: World) -> None:
    """MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS count exits too; guardian's own `max_open_orders` does not.

    Before, exits were left out of all three.
    """
    name = world.place(is_exit=True, spec=world.spec(side=OrderSide.SELL), wire_type="STOP_LOSS_LIMIT")
    world.move(name, OrderState.OPEN)
    usage = world.usage()
    assert (usage.open_orders, usage.open_orders_on_symbol, usage.open_stop_orders_on_symbol) == (0, 1, 1)
