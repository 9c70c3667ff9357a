"""The words: requests, orders and their states, codes, secrets, and plain data made of them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
import re
import traceback
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from guardian.domain import accounts, instruments, market, orders, requests
from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import (
    CORRECTIONS,
    DONE_STATES,
    FINAL_STATES,
    LIVE_STATES,
    ORDER_MOVES,
    UNRESOLVED_STATES,
    VOID_STATES,
    OrderState,
)
from guardian.domain.orders import OrderReport, OrderSide, OrderSpec, OrderType, ResolvedOrder, TimeInForce
from guardian.domain.requests import (
    REQUESTS,
    TOOLS,
    CancelOrder,
    CreateOrder,
    GetBalance,
    GetTickerPrice,
    Request,
    RequestScope,
)
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.text.plain_data import to_plain

D = Decimal
CANARY = "canary-7f3a91"


def a_spec(**changed: object) -> OrderSpec:
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": OrderSide.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": D("0.00100000"),
        "price": D("6E+4"),
        "time_in_force": TimeInForce.GTC,
        **changed,
    }
    return OrderSpec(**values)


# -- requests


def test_there_are_exactly_the_17_tools_of_the_contract() -> None:
    """The names are the contract's, each has one request type, and the type knows its tool."""
    assert set(TOOLS) == {
        "get_ticker_price",
        "get_ticker",
        "get_order_book",
        "get_available_assets",
        "get_balance",
        "get_account_snapshot",
        "get_position_info",
        "get_pnl",
        "create_order",
        "cancel_order",
        "get_orders",
        "get_deposit_history",
        "get_deposit_address",
        "get_withdraw_history",
        "get_fee_info",
        "get_liquidation_history",
        "get_universal_transfer_history",
    }
    assert tuple(REQUESTS) == TOOLS
    assert len(TOOLS) == 17
    kinds: dict[str, Any] = dict(REQUESTS)
    assert all(issubclass(kind, Request) and kind.tool == name for name, kind in kinds.items())


def test_only_two_tools_write() -> None:
    """`create_order` alone trades and `cancel_order` alone cancels; the five of the wallet are known as such."""
    by_scope = {scope: {name for name, kind in REQUESTS.items() if kind.scope is scope} for scope in RequestScope}
    assert by_scope[RequestScope.TRADE] == {"create_order"}
    assert by_scope[RequestScope.CANCEL] == {"cancel_order"}
    assert by_scope[RequestScope.WALLET] == {
        "get_account_snapshot",
        "get_deposit_history",
        "get_deposit_address",
        "get_withdraw_history",
        "get_universal_transfer_history",
    }
    assert by_scope[RequestScope.FUTURES] == {"get_position_info", "get_liquidation_history"}


def test_a_request_is_frozen() -> None:
    """What was judged is what is sent: no field can be set afterwards, and none can be added."""
    request = GetTickerPrice(symbol="BTCUSDT")
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.symbol = "ETHUSDT"  # type: ignore[misc]  # refused
    assert not hasattr(request, "__dict__")


@pytest.mark.parametrize(
    ("request_", "subject"),
    [
        (GetTickerPrice(symbol="BTCUSDT"), "BTCUSDT"),
        (CancelOrder(symbol="ETHBTC", order_id=1), "ETHBTC"),
        (GetBalance(), None),
        (CreateOrder(order=a_spec()), "BTCUSDT"),
        (CreateOrder(confirmation_token=Secret("t")), None),
        (CreateOrder(confirmation_token=Secret("t"), stated=(("symbol", "BTCUSDT"),)), "BTCUSDT"),
    ],
)
def test_a_request_knows_the_symbol_that_it_is_about(request_: Request, subject: str | None) -> None:
    """The log can say which symbol a call was about, and nothing where it was about none."""
    assert request_.subject == subject


# -- orders


def test_a_specs_fields_are_plain_strings_and_only_those_that_are_set() -> None:
    """What is logged and compared has no exponent, no trailing zeros and no empty fields."""
    assert a_spec().as_dict() == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "order_type": "LIMIT",
        "quantity": "0.001",
        "price": "60000",
        "time_in_force": "GTC",
    }
    market = OrderSpec(symbol="BTCUSDT", side=OrderSide.SELL, order_type=OrderType.MARKET, quote_quantity=D("10.50"))
    assert market.as_dict() == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "order_type": "MARKET",
        "quote_quantity": "10.5",
    }


def test_orders_that_ask_for_the_same_have_the_same_fingerprint() -> None:
    """Another way to write a number, or another time in force, makes no other order."""
    same = a_spec(quantity=D("0.001"), price=D("60000.000"), time_in_force=TimeInForce.IOC)
    assert a_spec().fingerprint == same.fingerprint
    assert a_spec().as_dict()["time_in_force"] == "GTC"


@pytest.mark.parametrize(
    "changed",
    [
        {"symbol": "ETHUSDT"},
        {"side": OrderSide.SELL},
        {"order_type": OrderType.LIMIT_MAKER},
        {"quantity": D("0.0011")},
        {"price": D("60000.01")},
        {"stop_price": D("1")},
        {"quantity": None, "quote_quantity": D("0.001")},
    ],
)
def test_any_other_field_makes_another_fingerprint(changed: dict[str, Any]) -> None:
    """Symbol, side, type, quantities and prices are all part of what makes an order the same."""
    assert a_spec(**changed).fingerprint != a_spec().fingerprint


def test_what_goes_on_the_wire_is_the_resolved_order() -> None:
    """The exchange's names, plain numbers, and only what is set."""
    stop = a_spec(order_type=OrderType.STOP_LOSS_LIMIT, stop_price=D("59000.0"))
    order = ResolvedOrder(
        spec=stop,
        wire_type=OrderType.STOP_LOSS_LIMIT,
        quantity=D("0.00001000"),
        price=D("6E+4"),
        stop_price=D("59000.0"),
        time_in_force=TimeInForce.GTC,
    )
    assert order.as_dict() == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "STOP_LOSS_LIMIT",
        "quantity": "0.00001",
        "price": "60000",
        "stopPrice": "59000",
        "timeInForce": "GTC",
    }
    maker = ResolvedOrder(spec=a_spec(), wire_type=OrderType.LIMIT_MAKER, quantity=D(1), price=D(2))
    assert maker.as_dict().keys() == {"symbol", "side", "type", "quantity", "price"}


def test_nothing_leaves_a_final_state() -> None:
    """A filled, cancelled, expired, rejected or not placed order never changes again."""
    assert all(ORDER_MOVES[state] == frozenset() for state in FINAL_STATES)
    assert {OrderState.REJECTED, OrderState.NOT_PLACED} == VOID_STATES
    assert frozenset(OrderState) == FINAL_STATES | LIVE_STATES | UNRESOLVED_STATES


def test_every_state_has_its_moves_and_none_leads_back() -> None:
    """No state leads to itself, to `reserved`, from an end to unknown, or from a fill back to none."""
    assert ORDER_MOVES.keys() == set(OrderState)
    assert all(state not in moves for state, moves in ORDER_MOVES.items())
    assert all(OrderState.RESERVED not in moves for moves in ORDER_MOVES.values())
    becoming_unknown = {state for state, moves in ORDER_MOVES.items() if OrderState.UNKNOWN in moves}
    assert becoming_unknown == {OrderState.RESERVED} | LIVE_STATES
    assert ORDER_MOVES[OrderState.PART_FILLED] == DONE_STATES | {OrderState.UNKNOWN}
    assert ORDER_MOVES[OrderState.OPEN] == DONE_STATES | {OrderState.PART_FILLED, OrderState.UNKNOWN}
    assert all(not ORDER_MOVES[state] & VOID_STATES for state in LIVE_STATES)


def test_only_an_end_is_corrected_and_only_to_what_counts_more() -> None:
    """No order is set right to nothing, to not known, or from a fill; what was entered stays entered."""
    assert CORRECTIONS.keys() == FINAL_STATES - {OrderState.FILLED}
    assert all(not moves & (VOID_STATES | UNRESOLVED_STATES) for moves in CORRECTIONS.values())
    assert all(CORRECTIONS[state] == LIVE_STATES for state in (OrderState.CANCELLED, OrderState.EXPIRED))


def test_from_every_state_that_is_not_final_a_final_one_can_be_reached() -> None:
    """No order can be stuck for good."""
    assert all(ORDER_MOVES[state] & FINAL_STATES for state in OrderState if state not in FINAL_STATES)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("NEW", OrderState.OPEN),
        ("PENDING_NEW", OrderState.OPEN),
        ("PENDING_CANCEL", OrderState.OPEN),
        ("PARTIALLY_FILLED", OrderState.PART_FILLED),
        ("FILLED", OrderState.FILLED),
        ("CANCELED", OrderState.CANCELLED),
        ("EXPIRED", OrderState.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderState.EXPIRED),
        ("REJECTED", OrderState.REJECTED),
        ("SOMETHING_NEW", OrderState.UNKNOWN),
        ("", OrderState.UNKNOWN),
        ("filled", OrderState.UNKNOWN),
    ],
)
def test_a_status_that_is_not_known_is_unknown_and_counts_in_full(status: str, state: OrderState) -> None:
    """Binance's status in guardian's words; a word that guardian does not know frees no budget."""
    report = OrderReport(
        symbol="BTCUSDT",
        order_id=1,
        client_order_id="g1-" + "0" * 32,
        side="BUY",
        order_type="LIMIT",
        status=status,
        time_in_force="GTC",
        price=D(1),
        stop_price=None,
        quantity=D(1),
        executed_quantity=D(0),
        executed_quote_quantity=D(0),
        time=None,
    )
    assert report.state is state


# -- codes


def test_every_code_is_category_condition_and_has_a_meaning_of_its_own() -> None:
    """Names are stable upper-case words; no two codes share a meaning, which would make one an alias of the other."""
    assert len(Code.__members__) == len(set(Code))
    for code in Code:
        assert re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code.name)
        assert len(code.meaning) > 10
        assert not code.meaning.endswith(".")
        assert code.outcome.is_error
    assert len({code.meaning for code in Code}) == len(Code)


def test_only_done_and_waiting_for_a_person_are_no_errors() -> None:
    """MCP gets `isError` for every outcome but these two, and each of the others has a code."""
    assert {outcome for outcome in Outcome if not outcome.is_error} == {Outcome.DONE, Outcome.CONFIRMATION_REQUIRED}
    assert {code.outcome for code in Code} == {outcome for outcome in Outcome if outcome.is_error}


# -- secrets


def a_pair() -> ApiKeyPair:
    return ApiKeyPair(
        environment="testnet",
        family=KeyFamily.SPOT,
        kind=KeyKind.HMAC,
        api_key=Secret("key-" + CANARY),
        signing_key=Secret("sign-" + CANARY),
    )


def test_a_secret_shows_itself_through_reveal_alone() -> None:
    """`repr`, `str`, formatting and containers show stars."""
    secret = Secret(CANARY)
    pair = a_pair()
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!s:>40}", f"{secret:>40}"]
    shown += [repr([secret]), str({"k": secret}), repr(pair), str(dataclasses.replace(pair, environment="demo"))]
    shown += [repr(CreateOrder(confirmation_token=secret)), str(dir(secret)), format(secret, "s")]
    shown += [template % {"secret": secret} for template in ("%(secret)s", "%(secret)r")]
    assert all(CANARY not in text for text in shown)
    assert secret.reveal() == CANARY
    assert not hasattr(secret, "__dict__")


def test_a_secret_is_not_copied_pickled_or_encoded() -> None:
    """Ways to carry a secret off by accident raise, and what they raise does not name it."""
    secret, pair = Secret(CANARY), a_pair()
    attempts: list[Callable[[], object]] = [
        lambda: pickle.dumps(secret),
        lambda: copy.copy(secret),
        lambda: copy.deepcopy(secret),
        lambda: dataclasses.asdict(pair),
        lambda: json.dumps(secret),
        lambda: json.dumps({"k": secret}),
        lambda: to_plain(secret),
        lambda: to_plain(pair),
        lambda: bytes(secret),  # type: ignore[call-overload]  # refused
        lambda: secret + "",  # type: ignore[operator]  # refused
        lambda: list(secret),  # type: ignore[call-overload]  # refused
    ]
    for attempt in attempts:
        with pytest.raises(TypeError) as raised:
            attempt()
        assert CANARY not in str(raised.value)
    assert CANARY not in json.dumps({"k": secret}, default=str)


def test_a_traceback_with_the_values_of_variables_does_not_show_a_secret() -> None:
    """Even a report that prints every local variable shows stars."""

    def fails(secret: Secret, pair: ApiKeyPair) -> None:
        raise RuntimeError(f"it failed with {secret} of {pair}")

    try:
        fails(Secret(CANARY), a_pair())
    except RuntimeError as error:
        report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "Secret('**********')" in report
    assert CANARY not in report


def test_secrets_compare_by_value_and_with_nothing_else() -> None:
    """Two of the same value are equal and hash alike; a string is never equal to a secret."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != "a"
    assert Secret("a")
    assert not Secret("")


def test_a_key_is_named_by_a_fingerprint_that_belongs_to_its_environment() -> None:
    """16 hex digits, the same for the same key, another in another environment, and no part of the key."""
    pair = a_pair()
    assert re.fullmatch(r"[0-9a-f]{16}", pair.fingerprint)
    assert pair.fingerprint == a_pair().fingerprint
    assert pair.fingerprint != dataclasses.replace(pair, environment="demo").fingerprint
    assert pair.fingerprint != dataclasses.replace(pair, api_key=Secret("other")).fingerprint
    assert pair.fingerprint == dataclasses.replace(pair, signing_key=Secret("other")).fingerprint


# -- plain data


@pytest.mark.parametrize("module", [accounts, market, orders, requests, instruments])
def test_the_words_are_frozen_and_know_no_float(module: ModuleType) -> None:
    """No field of a request, an order or a reply can be set afterwards, added to, or hold a float."""
    kinds = [
        one for _, one in inspect.getmembers(module, dataclasses.is_dataclass) if one.__module__ == module.__name__
    ]
    assert kinds
    for kind in kinds:
        assert vars(kind)["__dataclass_params__"].frozen, kind
        assert "__slots__" in vars(kind), kind
        assert not any("float" in str(field.type) for field in dataclasses.fields(kind)), kind


def test_domain_data_becomes_plain_json() -> None:
    """Amounts become decimal strings, enums their words, codes their names, and fields keep their order."""
    value = MappingProxyType(
        {
            "spec": a_spec(),
            "code": Code.PRICE_STALE,
            "outcome": Outcome.DENIED,
            "sides": frozenset({OrderSide.SELL, OrderSide.BUY}),
            "set": {"b", "a"},
            "list": [1, True, None, ("x", D("1E-8"))],
            5: "key",
        }
    )
    found = to_plain(value)
    assert isinstance(found, dict)
    assert found["code"] == "PRICE_STALE"
    assert found["outcome"] == "denied"
    assert found["sides"] == ["BUY", "SELL"]
    assert found["set"] == ["a", "b"]
    assert found["list"] == [1, True, None, ["x", "0.00000001"]]
    assert found["5"] == "key"
    assert isinstance(found["spec"], dict)
    assert list(found["spec"]) == [field.name for field in dataclasses.fields(OrderSpec)]
    assert found["spec"]["price"] == "60000"
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("value", [1.5, float("nan"), b"bytes", object(), OrderSpec, {"k": [1.0]}])
def test_what_has_no_exact_plain_form_is_refused(value: object) -> None:
    """Floats, bytes, classes and strange objects raise, however deep they are."""
    with pytest.raises(TypeError, match="cannot be written as plain data"):
        to_plain(value)


def test_a_secret_among_plain_data_is_refused_without_naming_it() -> None:
    """A secret anywhere in it makes the whole of it fail."""
    with pytest.raises(TypeError, match="a secret cannot be written"):
        to_plain({"deep": [{"er": CreateOrder(confirmation_token=Secret(CANARY))}]})


def test_text_of_a_type_of_its_own_is_plain() -> None:
    """As it is: JSON writes it like any other text."""

    class Name(str):
        __slots__ = ()

    assert to_plain({"name": Name("BTCUSDT")}) == {"name": "BTCUSDT"}


def test_subclass_of_decimal_is_written_as_a_decimal() -> None:
    """A number of another library's kind keeps its exact text."""

    class Amount(Decimal):
        """A decimal with a name of its own."""

    assert to_plain(Amount("1.50")) == to_plain(Decimal("1.50"))
