"""Reading, the record of every call, and the status: an answer for all that can happen, no secret in the log."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from guardian.domain import requests
from guardian.domain.codes import Code, Outcome
from guardian.domain.market import SymbolPage, TickerPrice
from guardian.domain.order_states import OrderState
from guardian.domain.trading import Environment, TradingState
from guardian.errors import (
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    KeyringUnavailable,
    NoCredentials,
    NotSent,
    OutcomeUnknown,
    RequestRefused,
)
from guardian.gate.base.auto_halt import halt
from guardian.gate.base.calls import MAX_DATA_BYTES, reply_body, safe_traceback, symbol_of, without_secrets
from guardian.gate.base.order_views import iso, note_on, view_of_row
from guardian.gate.base.replies import Orders, Reply, done
from guardian.gate.reads.overview import Overview
from guardian.gate.reads.reads import PLAIN_READS
from guardian.gate.reads.status_views import PolicyView
from guardian.store.schema.records import Phase, Record
from tests.gate.support.fakes import ACCOUNT, Room, denials

PRICE = requests.GetTickerPrice(symbol="BTCUSDT")
ORDERS = requests.GetOrders(symbol="BTCUSDT")


def code(reply: Reply) -> Code:
    assert reply.error is not None, reply
    return reply.error.code


def orders(reply: Reply) -> Orders:
    assert isinstance(reply.data, Orders), reply
    return reply.data


def lost_order(room: Room, price: str = "60000") -> str:
    """An order that reached the exchange while guardian does not know it."""
    room.exchange.script = [OutcomeUnknown("lost")]
    room.ask(price=price)
    assert room.last().state is OrderState.UNKNOWN
    return room.last().client_order_id


def test_market_reads_need_no_keys(room: Room) -> None:
    """A price is answered where no key is stored, and leaves a call row and an outcome row."""
    room.connector.failure = NoCredentials("no key")
    assert isinstance(room.call(PRICE).data, TickerPrice)
    assert room.phases() == ["call", "outcome"]


@pytest.mark.parametrize(
    "request_",
    [
        requests.GetAccountSnapshot(),
        requests.GetDepositHistory(),
        requests.GetDepositAddress(coin="BTC"),
        requests.GetWithdrawHistory(),
        requests.GetUniversalTransferHistory(transfer_type="MAIN_UMFUTURE"),
    ],
    ids=lambda request: request.tool,
)
def test_wallet_tools_are_not_available_where_there_is_no_wallet(room: Room, request_: requests.Request) -> None:
    """Without a wallet nothing is connected, let alone sent, and a hint says where there is one."""
    room.connector.has_wallet = False
    room.connector.down = AssertionError("nothing is connected")
    reply = room.call(request_)
    assert code(reply) is Code.NOT_AVAILABLE_HERE
    assert reply.error is not None
    assert reply.error.hint
    assert room.connector.connects == 0


@pytest.mark.parametrize("kind", list(PLAIN_READS), ids=[kind.tool for kind in PLAIN_READS])
def test_every_plain_read_is_the_exchange_s_answer_to_that_very_request(
    room: Room, kind: type[requests.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read asks the exchange once, with what was asked, and hands on what it says."""
    needed = {"symbol": "BTCUSDT", "coin": "BTC", "transfer_type": "MAIN_UMFUTURE"}
    wanted = {name: value for name, value in needed.items() if name in kind.__dataclass_fields__}
    request = kind(**wanted)
    seen: list[tuple[str, tuple[Any, ...]]] = []

    class Remembering:
        def __getattr__(self, name: str) -> Any:
            async def read(*arguments: Any) -> TickerPrice:
                seen.append((name, arguments))
                return TickerPrice(symbol="BTCUSDT", price=Decimal(1))

            return read

    monkeypatch.setattr(room.connector, "exchange", Remembering())
    assert room.call(request).outcome is Outcome.DONE
    ((_, arguments),) = seen
    assert arguments[0] in {request, "BTCUSDT", False}


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (ExchangeRejected(-1121, "Invalid symbol.", http_status=400), Code.EXCHANGE_REJECTED),
        (ExchangeRateLimited(3), Code.EXCHANGE_RATE_LIMIT),
        (ExchangeUnavailable("down"), Code.EXCHANGE_UNREACHABLE),
        (RequestRefused("not on the list"), Code.REQUEST_REFUSED),
        (OutcomeUnknown("odd for a read"), Code.ORDER_UNKNOWN),
        (NotSent("no connection"), Code.EXCHANGE_UNREACHABLE),
        (ZeroDivisionError("a bug"), Code.INTERNAL_ERROR),
    ],
    ids=str,
)
def test_every_failure_of_a_read_has_its_answer(room: Room, failure: Exception, answer: Code) -> None:
    """What the exchange or the way to it does is an answer with its code, and is in the log."""
    room.exchange.fails["ticker_price"] = failure
    reply = room.call(PRICE)
    assert code(reply) is answer
    assert reply.outcome is answer.outcome
    assert f'"{answer.name}"' in room.log_text()
    assert room.connector.losses == (1 if isinstance(failure, ExchangeUnavailable | NotSent) else 0)
    assert reply.error is not None
    assert "a bug" not in reply.error.message


def test_missing_keys_and_a_locked_keyring_are_told_apart(room: Room) -> None:
    """A signed read says which command adds a key, or that the keyring did not answer."""
    room.connector.failure = NoCredentials("no key", hint="a person can run `guardian keys add paper`")
    reply = room.call(requests.GetBalance())
    assert code(reply) is Code.CREDENTIALS_MISSING
    assert reply.error is not None
    assert reply.error.hint == "a person can run `guardian keys add paper`"
    room.connector.failure = KeyringUnavailable("locked")
    assert code(room.call(requests.GetBalance())) is Code.KEYRING_UNAVAILABLE


def test_read_over_the_call_budget_is_rate_limited_and_cancels_are_not_counted(room: Room) -> None:
    """The budget of calls holds reads up for a minute; orders have one of their own; cancels spend none."""
    room.policy({"limits": {"max_calls_per_minute": 2}})
    for _ in range(5):
        room.cancel(client_order_id="g1-nothing")
    assert room.call(PRICE).outcome is Outcome.DONE
    assert room.call(PRICE).outcome is Outcome.DONE
    reply = room.call(PRICE)
    assert code(reply) is Code.CALL_BUDGET_SPENT
    assert reply.error is not None
    assert reply.error.retry_after_s == 60
    assert [room.ask(quantity=each).outcome for each in ("0.0001", "0.0002")] == [Outcome.DONE] * 2
    assert "CALLS_EXCEED_MAX" in denials(room.ask(quantity="0.0003"))
    assert room.exchange.names().count("ticker_price") == 2
    room.clock.forward(61)
    assert room.call(PRICE).outcome is Outcome.DONE


def test_tool_that_is_not_allowed_is_denied(room: Room) -> None:
    """A tool that the policy denies is refused by the gate, whoever listed it; so is an order."""
    room.policy({"tools": {"deny": ["get_ticker_price", "create_order"]}, "limits": {"max_calls_per_minute": 1}})
    assert code(room.call(PRICE)) is Code.TOOL_NOT_ALLOWED
    assert denials(room.call(PRICE)) == {"TOOL_NOT_ALLOWED", "CALLS_EXCEED_MAX"}
    assert "TOOL_NOT_ALLOWED" in denials(room.ask())
    assert room.exchange.placed == []
    assert "get_ticker_price" not in room.gate.allowed_tools()


def test_listing_says_which_symbols_the_policy_allows(room: Room) -> None:
    """A listed symbol is marked by the policy in force."""
    reply = room.call(requests.GetAvailableAssets())
    assert isinstance(reply.data, SymbolPage)
    assert [(s.symbol, s.policy_allows) for s in reply.data.symbols] == [("BTCUSDT", True), ("XRPUSDT", False)]


def test_get_orders_brings_the_store_up_to_date_with_an_event(room: Room) -> None:
    """What is found out by looking is written down as an event, once, and counts from then on."""
    room.ask(price="59999")  # an order that the exchange has
    second = room.last().client_order_id
    name = lost_order(room)
    room.exchange.script = []
    assert [view.client_order_id for view in orders(room.call(ORDERS)).unresolved] == [name]
    room.exchange.becomes(second, "FILLED", "0.001")
    for _ in range(2):
        found = orders(room.call(ORDERS))
    assert [(v.client_order_id, v.state, v.placed_by) for v in found.orders] == [(second, "filled", "guardian")]
    assert room.row(second).state is OrderState.FILLED
    assert room.phases().count("event") == 1
    assert [view.client_order_id for view in found.unresolved] == [name]


def test_get_orders_by_id_and_of_open_ones(room: Room) -> None:
    """One order by either id, the open ones, and those of the owner's own hand are distinguished."""
    room.ask()
    name = room.last().client_order_id
    report = room.exchange.reports[name]
    room.exchange.reports["web_1"] = replace(
        report, client_order_id="web_1", order_id=99, status="FILLED", time=None, created_ms=None
    )
    by_name = orders(room.call(requests.GetOrders(symbol="BTCUSDT", client_order_id=name)))
    by_number = orders(room.call(requests.GetOrders(symbol="BTCUSDT", order_id=99)))
    nothing = orders(room.call(requests.GetOrders(symbol="BTCUSDT", order_id=4711)))
    wanted = requests.GetOrders(symbol="BTCUSDT", status=requests.OrdersWanted.OPEN, limit=1)
    still_open = orders(room.call(wanted))
    assert [v.client_order_id for v in by_name.orders] == [name]
    assert [(v.client_order_id, v.placed_by, v.time) for v in by_number.orders] == [("web_1", "other", None)]
    assert nothing.orders == ()
    assert [v.client_order_id for v in still_open.orders] == [name]


def test_get_orders_works_while_the_store_does_not(room: Room) -> None:
    """Reading continues when the store fails behind the call row; the marks on the ids tell whose orders they are."""
    room.ask()

    async def break_store() -> None:
        (room.home / "guardian.db").rename(room.home / "away.db")

    room.exchange.during["all_orders"] = break_store
    (view,) = orders(room.call(ORDERS)).orders
    assert view.placed_by == "guardian"
    # The lost outcome row of a read halts nothing: nothing was done.
    assert room.journal.emergency.is_empty()


def test_order_of_another_environment_is_not_moved_by_a_read(room: Room) -> None:
    """A client order id in the store of another environment stays as it is."""
    room.ask()
    name = room.last().client_order_id
    room.connector.environment = Environment.TESTNET
    room.policy({"environment": "testnet"})
    room.start()
    room.exchange.becomes(name, "FILLED", "0.001")
    (view,) = orders(room.call(ORDERS)).orders
    assert view.state == "filled"
    assert room.row(name).state is OrderState.OPEN


def test_tokens_and_large_data_are_in_the_log_as_digests(room: Room) -> None:
    """The log recognises a token without being able to redeem it, and keeps no copy of the market."""
    token = "SecretTokenSecretToken24"
    room.use(token)
    rows = room.log_text()
    assert token not in rows
    assert '"confirmation_token":"sha256:' in rows
    assert without_secrets({"confirmation_token": None, "symbol": "X"}) == {"confirmation_token": None, "symbol": "X"}
    body = reply_body(done({"text": "x" * MAX_DATA_BYTES}))
    assert isinstance(body["data"], dict)
    assert set(body["data"]) == {"sha256", "bytes"}
    assert reply_body(done({"text": "x"}))["data"] == {"text": "x"}
    assert reply_body(done({"text": "\ud800"}))["data"] == {"text": "\ud800"}


@pytest.mark.parametrize("symbol", [5, None, "BTC USDT", "B" * 41, "BTCUſDT"])
def test_what_does_not_look_like_a_symbol_stays_out_of_the_symbol_column(symbol: object) -> None:
    """The column of the log is for symbols."""
    assert symbol_of({"symbol": symbol}) is None
    assert symbol_of({"symbol": "BTCUSDT"}) == "BTCUSDT"


def test_intent_has_all_that_the_judgement_was_made_on(room: Room) -> None:
    """Facts, usage, verdict and policy are in the intent, and no secret is."""
    room.ask()
    ((body,),) = room.sql("SELECT body FROM audit WHERE phase='intent'")
    data = json.loads(body)["data"]
    judged = data["judged"]
    assert (data["asked"]["quantity"], data["order"]["price"], judged["notional"]) == ("0.001", "60000", "60")
    assert judged["books"]["BTCUSDT"]["ask"] == "60001"
    assert judged["usage"]["trading"] == "active"
    assert judged["decision"] == "allow"
    assert data["policy"] == judged["policy"] == room.policy_file.current().policy.digest
    room.exchange.fails = {name: ExchangeUnavailable("down") for name in ("average_price", "balances", "book_tops")}
    reply = room.ask(price="59999")
    assert {"PRICE_UNAVAILABLE", "BALANCE_UNAVAILABLE"} <= denials(reply)
    ((body,),) = room.sql("SELECT body FROM audit WHERE phase='outcome' ORDER BY seq DESC LIMIT 1")
    missing = json.loads(body)["data"]["judged"]["missing"]
    assert missing["average of BTCUSDT"] == "down"


@pytest.mark.parametrize(
    ("fact", "failure", "denial"),
    [
        ("instruments", ExchangeUnavailable("down"), "INSTRUMENT_UNAVAILABLE"),
        ("instruments", ExchangeRejected(-1121, "Invalid", http_status=400), "INSTRUMENT_UNAVAILABLE"),
        ("book_tops", ExchangeRejected(-1003, "odd", http_status=400), "PRICE_UNAVAILABLE"),
        ("average_price", ExchangeUnavailable("down"), "PRICE_UNAVAILABLE"),
        ("balances", ExchangeUnavailable("down"), "BALANCE_UNAVAILABLE"),
        ("clock_skew_ms", ExchangeUnavailable("down"), "CLOCK_UNKNOWN"),
    ],
    ids=str,
)
def test_fact_that_cannot_be_had_is_a_denial(room: Room, fact: str, failure: Exception, denial: str) -> None:
    """No fact has a default: without it the rule that needs it says no."""
    room.exchange.fails[fact] = failure
    assert denial in denials(room.ask())
    assert room.exchange.placed == []


@pytest.mark.parametrize("fact", ["instruments", "book_tops", "average_price", "balances", "clock_skew_ms"])
def test_rate_limit_on_a_fact_is_no_verdict(room: Room, fact: str) -> None:
    """Where the exchange asks to slow down, nothing was judged: `rate_limited`, with the seconds to wait."""
    room.exchange.fails[fact] = ExchangeRateLimited(5)
    reply = room.ask()
    assert reply.outcome is Outcome.RATE_LIMITED
    assert reply.error is not None
    assert reply.error.retry_after_s == 5
    assert room.exchange.placed == []


def test_symbol_that_the_exchange_does_not_list_is_denied(room: Room) -> None:
    """A symbol that the policy lists and the exchange does not is unknown."""
    assert "SYMBOL_UNKNOWN" in denials(room.ask(symbol="ETHUSDT", quantity="0.01", price="3000"))


def test_unlisted_symbol_and_environment_change_are_denied_without_a_question(room: Room) -> None:
    """Creates are denied while the file names another environment; reads and cancels go on where they were."""
    assert denials(room.ask(symbol="XRPUSDT")) == {"SYMBOL_NOT_LISTED"}
    assert room.exchange.asked == []
    room.ask()
    room.policy({"environment": "testnet"})
    assert "POLICY_ENVIRONMENT_CHANGED" in denials(room.ask(price="59990"))
    assert room.call(PRICE).outcome is Outcome.DONE
    assert room.cancel(client_order_id=room.last().client_order_id).outcome is Outcome.DONE
    view = room.run(room.gate.policy_view())
    assert view.environment == "paper"
    assert "takes effect at the next start" in view.problems[-1]


def test_status_lists_what_is_not_known_first(room: Room) -> None:
    """Status has the unknown orders, the open ones, the proposals, the budgets and the reason of a halt."""
    room.policy({"confirmation": {"required_above": "130", "channel": "terminal"}})
    room.ask(price="59999")
    proposal = room.propose(price="59998", quantity="0.0015")
    unknown = lost_order(room)
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="for a test", by="owner")
    status = room.run(room.gate.status())
    assert [view.client_order_id for view in status.unresolved] == [unknown]
    assert [(view.environment, view.account) for view in status.unresolved] == [("paper", ACCOUNT)]
    assert [view.state for view in status.open_orders] == ["open"]
    assert [view.proposal_id for view in status.proposals] == [proposal.proposal_id]
    assert (status.trading, status.trading_reason, status.keys) == ("halted", "for a test", "present")
    assert (status.trading_since, status.trading_by) == (iso(room.clock.wall), "owner")
    assert "`guardian resume`" in (status.trading_means or "")
    assert note_on(status.unresolved[0]) == "whether it exists is not known yet; guardian keeps asking the exchange"
    used = {(budget.limit, budget.window): budget.used for budget in status.budgets}
    assert used["rolling_notional", "24h"] == Decimal("119.999")
    room.journal.note_emergency({"kind": "test"})
    status = room.run(room.gate.status())
    assert status.emergency_records == 1
    assert "emergency file" in (status.trading_reason or "")
    # Nobody knows since when; the store's moment is that of another halt.
    assert (status.trading_since, status.trading_by) == (None, None)
    room.connector.failure = NoCredentials("no key here")
    status = room.run(room.gate.status())
    assert (status.account, status.keys) == (None, "no key here")
    assert not status.keys_unreadable
    room.connector.failure = KeyringUnavailable("locked")
    assert room.run(room.gate.status()).keys_unreadable
    assert [view.client_order_id for view in status.unresolved] == [unknown]


def test_policy_view_says_what_is_allowed_and_what_is_left(room: Room) -> None:
    """The resource that a model reads has the limits of each symbol and the headroom."""
    room.ask()
    view = room.run(room.gate.policy_view())
    assert isinstance(view, PolicyView)
    assert [symbol.symbol for symbol in view.symbols] == ["BTCUSDT", "ETHUSDT"]
    rolling = next(budget for budget in view.budgets if budget.limit == "rolling_notional")
    assert (rolling.used, rolling.left) == (Decimal(60), Decimal(999940))
    assert view.problems == ()


def test_recent_calls_have_their_outcomes(room: Room) -> None:
    """The newest calls, newest last, with what happened to them."""
    room.call(PRICE)
    room.ask()
    calls = room.run(room.gate.recent(10))
    assert [(line.tool, line.outcome) for line in calls][-2:] == [
        ("get_ticker_price", "done"),
        ("create_order", "done"),
    ]


def test_recent_events_say_why_trading_stopped(room: Room) -> None:
    """A halt is there with its reason, cut where it is very long; other events with what they are about."""
    with room.journal.transaction() as tx:
        halt(tx, None, "clock", "the clock is wrong")
        tx.audit.append(Record(phase=Phase.EVENT, body={"kind": "resolved", "reason": None}))
        tx.audit.append(Record(phase=Phase.EVENT, body={"kind": "halted", "reason": "x" * 1000}))
    details = [line.detail for line in room.run(room.gate.recent(10))]
    assert details == ["halted: the clock is wrong", "resolved", "halted: " + "x" * 300]


def test_meta_has_the_policy_the_trading_state_and_the_time_taken(room: Room) -> None:
    """Every reply says under which policy, in which state, and how long it took."""
    call = room.open("get_ticker_price")
    room.clock.forward(0.25)
    meta = room.gate.meta(call)
    assert (meta.environment, meta.trading, meta.latency_ms) == ("paper", "active", 250)
    assert meta.policy == room.policy_file.current().policy.digest[:12]
    assert meta.timestamp_ms == room.clock.wall
    assert room.gate.environment is Environment.PAPER


def test_outcome_that_cannot_be_put_in_words_never_breaks_the_answer(room: Room) -> None:
    """Closing a call never raises; for an order or a cancel the lost row halts trading."""
    reply = done(1.5)
    for tool in ("get_ticker_price", "create_order"):
        call = room.open(tool)
        room.run(room.gate.close_call(call, reply))
    (record,) = room.journal.emergency.pending()
    assert (record["kind"], record["outcome"]) == ("outcome", "done")


def test_view_of_a_row_says_guardian_placed_it(room: Room) -> None:
    """What is known from the store alone has the same shape as what the exchange reports."""
    room.ask(kind="MARKET")
    view = view_of_row(room.last())
    assert (view.order_type, view.sent_as, view.state, view.placed_by) == ("MARKET", "LIMIT", "filled", "guardian")
    assert view.average_price == room.last().price


def test_fault_is_logged_with_what_led_to_it_and_is_bounded() -> None:
    """Kinds and places of the whole chain, bounded in depth and length."""
    fault: BaseException = ValueError("the first")
    for number in range(20):
        outer = RuntimeError(f"number {number} " + "x" * 1000)
        outer.__cause__ = fault
        fault = outer
    text = safe_traceback(fault)
    assert text.count("led to by") == 7
    assert "number 19" in text
    assert "number 1 " not in text


def test_overview_of_an_exchange_that_is_down_still_answers(room: Room) -> None:
    """That the paper exchange cannot be started keeps nobody from seeing how things stand."""
    room.connector.down = ExchangeUnavailable("it could not be started")
    assert room.run(Overview(room.context).account()) == (None, "it could not be started")


def test_checkpoint_that_cannot_be_written_only_makes_it_older(room: Room) -> None:
    """An order is answered although the checkpoint beside the database cannot be written."""
    assert room.ask().outcome is Outcome.DONE
    place = room.home / "audit.checkpoint"
    before = place.read_bytes()
    place.rename(room.home / "away")
    place.mkdir()
    assert room.ask(price="59990").outcome is Outcome.DONE
    place.rmdir()
    (room.home / "away").rename(place)
    assert room.ask(price="59980").outcome is Outcome.DONE
    assert int(place.read_bytes().split()[1]) > int(before.split()[1])


def test_calls_at_once_each_have_their_own_trail(room: Room) -> None:
    """Concurrent calls have a call row and an outcome row each."""

    async def work() -> None:
        await asyncio.gather(*(room.acall(PRICE) for _ in range(10)))

    room.run(work())
    rows = room.sql(
        "SELECT call_id, count(*), count(DISTINCT phase) FROM audit WHERE phase <> 'state' GROUP BY call_id"
    )
    assert [(count, phases) for _, count, phases in rows] == [(2, 2)] * 10
