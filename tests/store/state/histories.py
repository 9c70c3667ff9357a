"""Random histories of a store: what guardian's own transactions do, in any order, and now and then fail to do."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from guardian.domain.order_states import OrderState
from guardian.domain.owner.proof import Passkey, Proof
from guardian.domain.trading import TradingState
from guardian.errors import StoreError
from guardian.store.database import Transaction
from guardian.store.owner.owner_records import ChangeKind, NewMandate
from guardian.store.schema.records import CORRECTION, Record
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.row_images import image_of, row_of
from guardian.store.state.table_statements import ROWS_OF_TABLE
from guardian.store.transaction.orders import correction_key, is_correction
from tests.store.support.store_world import MINUTE, World


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the log, and of every table that the log has, without the keys that it does not have."""
    with closing(sqlite3.connect(path)) as connection:
        found = {
            name: sorted(
                (row_of(table, image_of(table, row)) for row in connection.execute(ROWS_OF_TABLE[name])), key=repr
            )
            for name, table in LOGGED.items()
        }
        return {**found, "audit": connection.execute("SELECT * FROM audit ORDER BY seq").fetchall()}


class History:
    """Does things at random to one store; what is refused is a part of the history too."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        self._orders: list[str] = []
        self._proposals: list[str] = []
        self._number = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self._number += 1
            self._world.clock_ms += self._rng.randrange(0, 3 * MINUTE)
            step = self._rng.choice(self._steps())
            try:
                step()
            except StoreError:
                continue

    def crash(self, home: Path) -> None:
        """Continues in `home` with the files as they are within a transaction that was not committed."""
        number = self._number

        def work(tx: Transaction) -> None:
            tx.trading.halt(f"lost {number}", by="guardian")
            tx.slicing.mark(self._world.scope, "BTCUSDT", "SELL")
            shutil.copytree(self._world.home, home)

        self._do(work)
        self._world.store.close()
        self._world.home = home
        self._world.store = self._world.open()

    def _steps(self) -> tuple[Callable[[], object], ...]:
        return (
            self._place, self._move, self._move, self._propose, self._redeem, self._halt, self._policy, self._slicing,
            self._passkey, self._mandate, self._several, self._look, self._correct, self._position, self._set_back,
        )  # fmt: skip

    def _do(self, work: Callable[[Transaction], object]) -> None:
        self._world.attempt(work)

    def _place(self) -> None:
        if self._world.attempt(lambda tx: tx.trading.status()).state is TradingState.HALTED:
            return
        price = str(self._rng.randrange(1, 90_000))
        self._orders.append(self._world.place(spec=self._world.spec(price=price), notional=Decimal(price) / 500))

    def _move(self) -> None:
        if self._orders:
            state = self._rng.choice((OrderState.OPEN, OrderState.FILLED, OrderState.CANCELLED, OrderState.UNKNOWN))
            executed = self._rng.choice(("0", "0.001", "0.002"))
            quote = str(Decimal(executed) * 50_000)
            fee = self._rng.choice((None, "0.00001"))
            self._world.move(self._rng.choice(self._orders), state, executed=executed, quote=quote, fee=fee)

    def _look(self) -> None:
        """The exchange is asked for an order, which it knows or not."""
        if self._orders:
            name = self._rng.choice(self._orders)
            work = self._rng.choice((
                lambda tx: tx.orders.note_absent(name, self._rng.randrange(MINUTE)),
                lambda tx: tx.orders.note_present(name),
                lambda tx: tx.orders.move(name, OrderState.NOT_PLACED, given_up=True),
            ))  # fmt: skip
            self._do(work)

    def _correct(self) -> None:
        """An order that has ended is open at the exchange."""
        if not self._orders:
            return
        row = self._world.order(self._rng.choice(self._orders))
        report = replace(self._world.report(executed="0.001", quote="50", quantity=str(row.quantity)), status="FILLED")

        def correct(tx: Transaction) -> None:
            if is_correction(row, report):
                tx.audit.append(Record.event(None, {"kind": "corrected"}, key=correction_key(row)))
                tx.orders.correct(row.client_order_id, report)

        self._do(correct)

    def _position(self) -> None:
        """The owner says how much of an asset is guardian's."""
        key, quantity = f"{CORRECTION}{self._number}", Decimal(self._rng.randrange(5)) / 1000

        def correct(tx: Transaction) -> None:
            tx.audit.append(Record.event(None, {"kind": "position"}, key=key))
            tx.corrections.set_position(self._world.scope, "BTC", quantity, {"BTCUSDT": Decimal(50_000)}, key)

        self._do(correct)

    def _set_back(self) -> None:
        """The clock was ahead for a while."""
        if self._rng.random() < 0.2:
            self._world.clock_ms -= self._rng.randrange(20 * MINUTE)
            self._do(lambda tx: tx.wrong_time.set_back())

    def _propose(self) -> None:
        token = self._rng.choice((None, f"token-{self._number}"))
        key = f"key-{self._rng.randrange(5)}"
        self._proposals.append(self._world.propose(token=token, key=key, by_person=self._rng.random() < 0.5).id)

    def _redeem(self) -> None:
        if not self._proposals:
            return
        chosen = self._rng.choice(self._proposals)
        if self._rng.random() < 0.3:
            self._do(lambda tx: tx.proposals.reject(chosen, "no"))
            return

        def redeem(tx: Transaction) -> None:
            if tx.trading.status().state is TradingState.HALTED:
                raise tx.unit.refused(StoreError("trading is halted"))
            entry = self._world.intent(tx)
            tx.orders.reserve(self._world.new_order(tx, entry, proposal_id=chosen))
            tx.proposals.redeem(chosen, str(entry.client_order_id))

        self._do(redeem)

    def _halt(self) -> None:
        state = self._rng.choice(tuple(TradingState))
        self._do(lambda tx: tx.trading.set(state, reason=f"reason {self._number} \u00e9\u4e2d", by="owner"))

    def _policy(self) -> None:
        text = "rule = 1\n" * self._rng.choice((1, 3, 3000))
        text += self._rng.choice(("", f'[paper]\napi_key = "k{self._number}"\napi_secret = "s{self._number}"\n'))
        self._do(lambda tx: tx.policies.remember(f"d{self._number}", text))
        self._do(lambda tx: tx.policy_approvals.add("paper", "d", text, approval_seq=1, effective_ms=tx.now_ms))
        self._do(lambda tx: tx.accounts.remember("paper", f"f{self._rng.randrange(3)}", "a1"))

    def _slicing(self) -> None:
        scope, side = self._world.scope, self._rng.choice(("BUY", "SELL"))
        work = self._rng.choice((
            lambda tx: tx.slicing.mark(scope, "BTCUSDT", side),
            lambda tx: tx.slicing.clear(scope, "BTCUSDT", side),
            lambda tx: tx.acts.record(self._rng.choice((None, scope)), "approve"),
            lambda tx: tx.timestamps.set(f"gone/paper/{side}"),
            lambda tx: tx.timestamps.clear(f"gone/paper/{side}"),
            lambda tx: tx.timestamps.set("status/writable"),
            lambda tx: tx.leases.take("poll", f"holder {self._number}", MINUTE),
        ))  # fmt: skip
        self._do(work)

    def _passkey(self) -> None:
        name = f"key {self._rng.randrange(4)}"
        registered = {"change": "passkey_add", "credential_id": name, "public_key": "k"}
        made = Passkey(credential_id=name, public_key="k", name=name, sign_count=0, created_ms=self._number)

        def add(tx: Transaction) -> None:
            tx.audit.append(Record.event(None, registered))
            tx.approvers.add_passkey(made)

        detail = {"name": name}
        work = self._rng.choice((
            add,
            lambda tx: tx.approvers.remove_passkey(name),
            lambda tx: tx.approvers.count_assertion(name, self._number),
            lambda tx: tx.approvers.raise_floor(self._rng.choice(tuple(Proof))),
            lambda tx: tx.approvers.note_pin(is_set=self._rng.random() < 0.5, digest="p"),
            lambda tx: tx.approvers.count_try(),
            lambda tx: tx.approvers.request_change(ChangeKind.PASSKEY_ADD, detail, effective_ms=tx.now_ms + 1),
            lambda tx: tx.approvers.end_change(1, "done"),
        ))  # fmt: skip
        self._do(work)

    def _mandate(self) -> None:
        world = self._world
        mandate = NewMandate(
            scope=world.scope, currency="USDT", budget=Decimal(self._number), max_order=None,
            symbols=frozenset({"BTCUSDT"}), policy_digest="d", policy_text="t", approval_seq=1,
            created_ms=world.clock_ms, expires_ms=world.clock_ms + MINUTE,
        )  # fmt: skip
        self._do(lambda tx: tx.mandates.add(mandate, random_bytes=world.random_bytes))

    def _several(self) -> None:
        """One transaction that writes the same rows more than once."""

        def work(tx: Transaction) -> None:
            tx.slicing.mark(self._world.scope, "BTCUSDT", "BUY")
            tx.slicing.clear(self._world.scope, "BTCUSDT", "BUY")
            tx.slicing.mark(self._world.scope, "ETHUSDT", "BUY")
            tx.trading.halt(f"once {self._number}", by="guardian")
            tx.trading.set(TradingState.ACTIVE, reason="and back", by="owner")
            if self._rng.random() < 0.3:
                raise tx.unit.refused(StoreError("nothing of it"))

        self._do(work)
