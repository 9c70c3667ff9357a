"""A store in a folder of its own, a clock that the test turns, and short ways to place and move orders."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fees, OrderReport, OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.policy.facts import Usage
from guardian.policy.model import CountWindow, Limits, NotionalWindow
from guardian.store.budgets.snapshots import Snapshot
from guardian.store.database import Store, Transaction
from guardian.store.schema.records import Entry, NewOrder, NewProposal, OrderRow, Phase, Proposal, Record, Scope
from tests.support.clock import ClockOf
from tests.support.present import present

T = TypeVar("T")
START_MS = 1_800_000_000_000
MINUTE = 60_000


class World:
    """What the tests of the store work with."""

    def __init__(self, home: Path, start_ms: int = START_MS) -> None:
        self.home = home
        self.clock_ms = start_ms
        self.monotonic_s = 100.0
        self.scope = Scope(environment="paper", account="a1")
        self.other = Scope(environment="testnet", account="a1")
        self.calls = 0
        self.limits = Limits(
            max_open_notional=Decimal(300),
            rolling_notional=(
                NotionalWindow(window_ms=5 * MINUTE, maximum=Decimal(200)),
                NotionalWindow(window_ms=60 * MINUTE, maximum=Decimal(500)),
            ),
            max_orders=(CountWindow(window_ms=MINUTE, maximum=5), CountWindow(window_ms=60 * MINUTE, maximum=50)),
            max_open_orders=5,
            max_daily_loss=Decimal(100),
            duplicate_window_ms=MINUTE,
            anti_slicing_window_ms=15 * MINUTE,
            absence_window_ms=15 * MINUTE,
            halt_after_orders=20,
            max_calls_per_minute=120,
            min_free_quote=Decimal(0),
        )
        self.store = self.open()

    def open(self) -> Store:
        return Store.open(self.home, ClockOf(lambda: self.clock_ms, lambda: self.monotonic_s))

    def reopen(self) -> None:
        self.store.close()
        self.store = self.open()

    def spec(
        self, *, symbol: str = "BTCUSDT", side: OrderSide = OrderSide.BUY, quantity: str = "0.002", price: str = "50000"
    ) -> OrderSpec:
        return OrderSpec(
            symbol=symbol,
            side=side,
            order_type=OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=Decimal(price),
            time_in_force=TimeInForce.GTC,
        )

    def attempt(self, work: Callable[[Transaction], T]) -> T:
        """Do something in one transaction; what it returns."""
        with self.store.transaction() as tx:
            return work(tx)

    def intent(self, tx: Transaction, scope: Scope | None = None) -> Entry:
        self.calls += 1
        scope = scope or self.scope
        return tx.audit.append(
            Record(
                phase=Phase.INTENT,
                call_id=f"call-{self.calls}",
                tool="create_order",
                symbol="BTCUSDT",
                environment=scope.environment,
                account=scope.account,
                body={"order": {"symbol": "BTCUSDT"}},
            )
        )

    def new_order(self, tx: Transaction, entry: Entry, **changes: Any) -> NewOrder:
        scope = changes.pop("scope", self.scope)
        spec = changes.pop("spec", None) or self.spec()
        values: dict[str, Any] = {
            "client_order_id": entry.client_order_id,
            "environment": scope.environment,
            "account": scope.account,
            "call_id": entry.call_id,
            "symbol": spec.symbol,
            "base_asset": spec.symbol[:3],
            "quote_asset": spec.symbol[3:],
            "side": spec.side.value,
            "order_type": "LIMIT",
            "wire_type": "LIMIT",
            "time_in_force": "GTC",
            "price": spec.price,
            "quantity": spec.quantity,
            "fingerprint": spec.fingerprint,
            "notional": Decimal(100),
            "quote_notional": Decimal(100),
            "currency": "USDT",
            "reserved_ms": tx.now_ms,
            "sent_ms": self.clock_ms,
        }
        return NewOrder(**{**values, **changes})

    def place(self, **changes: Any) -> str:
        """Reserve one order with its intent, in one transaction; the client order id."""
        with self.store.transaction() as tx:
            entry = self.intent(tx, changes.get("scope"))
            tx.orders.reserve(self.new_order(tx, entry, **changes))
        assert entry.client_order_id is not None
        return entry.client_order_id

    def report(
        self, *, executed: str = "0", quote: str = "0", order_id: int = 7, quantity: str = "0.002"
    ) -> OrderReport:
        return OrderReport(
            symbol="BTCUSDT",
            order_id=order_id,
            client_order_id="whatever",
            side="BUY",
            order_type="LIMIT",
            status="NEW",
            time_in_force="GTC",
            price=Decimal(50000),
            stop_price=None,
            quantity=Decimal(quantity),
            executed_quantity=Decimal(executed),
            executed_quote_quantity=Decimal(quote),
            time=None,
        )

    def move(
        self, name: str, state: OrderState, *, executed: str | None = None, quote: str = "0", fee: str | None = None
    ) -> bool:
        with self.store.transaction() as tx:
            row = tx.orders.get(name)
        quantity = "0.002" if row is None else str(row.quantity)
        report = None if executed is None else self.report(executed=executed, quote=quote, quantity=quantity)
        with self.store.transaction() as tx:
            fees = None if fee is None else Fees(quantity=Decimal(present(executed)), by_asset={"BTC": Decimal(fee)})
            return tx.orders.move(name, state, report=report, fees=fees)

    def order(self, name: str) -> OrderRow:
        with self.store.transaction() as tx:
            return present(tx.orders.get(name))

    def usage(self, spec: OrderSpec | None = None, scope: Scope | None = None) -> Usage:
        with self.store.transaction() as tx:
            return self.usage_in(tx, spec, scope)

    def usage_in(
        self,
        tx: Transaction,
        spec: OrderSpec | None = None,
        scope: Scope | None = None,
        snapshot: Snapshot | None = None,
    ) -> Usage:
        known = scope or self.scope
        return tx.usage.of(
            known,
            spec or self.spec(),
            self.limits,
            currency="USDT",
            assets=("BTC", "USDT"),
            snapshot=snapshot or tx.snapshots.take(known),
        )

    def new_proposal(
        self, tx: Transaction, *, scope: Scope | None = None, key: str = "k", ttl: int = 15 * MINUTE
    ) -> NewProposal:
        return NewProposal(
            scope=scope or self.scope,
            order_key=key,
            symbol="BTCUSDT",
            side="BUY",
            spec={"symbol": "BTCUSDT", "order_type": "MARKET"},
            resolved={"price": "50500", "quantity": "0.002", "type": "LIMIT"},
            policy_digest="p" * 64,
            policy_source="/home/policy.toml",
            token_ttl_ms=5 * MINUTE,
            notional=Decimal("101.1"),
            quote_notional=Decimal("101.1"),
            quote_asset="USDT",
            currency="USDT",
            shown_bid=Decimal("49999.99"),
            shown_ask=Decimal(50000),
            created_ms=tx.now_ms,
            expires_ms=tx.now_ms + ttl,
        )

    def propose(
        self, *, token: str | None = None, by_person: bool = True, token_ttl: int = 5 * MINUTE, **given: Any
    ) -> Proposal:
        with self.store.transaction() as tx:
            made = tx.proposals.add(self.new_proposal(tx, **given), random_bytes=self.random_bytes)
            if token is not None:
                tx.proposals.issue_token(
                    made.id, token_digest=token, expires_ms=tx.now_ms + token_ttl, by_person=by_person
                )
            found = tx.proposals.get(made.id)
        assert found is not None
        return found

    def random_bytes(self, count: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(count, "big")
