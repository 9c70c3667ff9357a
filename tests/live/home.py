"""A home on a play of live: its policy, its keys, its owner, and the gate as the server uses it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.requests import CancelOrder, CreateOrder, Request
from guardian.gate.base.replies import Reply
from guardian.gate.owner.policy_approval import ApprovedPolicies, approve_policy
from guardian.gate.owner.session_mandate import MandateTerms, arm
from guardian.policy.loading.load import load_policy
from guardian.store.opening import begin_log
from guardian.store.owner.owner_records import ApprovedPolicy
from guardian.store.schema.records import Scope
from tests.support.live_play import LivePlay
from tests.support.present import present
from tests.support.world import BASE, merged, toml

D = Decimal
LIVE: dict[str, Any] = {
    "environment": "live",
    "confirmation": {"channel": "terminal", "proof": "pin"},
    "live": {"loosening_delay": "1ms"},
}
PIN = ProofGiven(kind=Proof.PIN)


@dataclass(kw_only=True)
class LiveHome:
    """One home; `guardian` is its opened gate. `ready` does all that live needs."""

    play: LivePlay
    folder: Path
    guardian: Guardian = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o700)
        begin_log(self.home)
        self.policy()
        self.open()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def open(self) -> None:
        self.guardian = open_guardian(self.home / "policy.toml", home=self.home, network=self.play.network)

    def policy(self, *changes: Mapping[str, Any]) -> None:
        """Writes the policy file: the defaults with two symbols, on live, with these changes."""
        path = self.home / "policy.toml"
        path.write_text(toml(merged(BASE, LIVE, *changes)), "utf-8")
        path.chmod(0o600)

    # -- what the owner does

    def pin(self, *, is_set: bool = True) -> None:
        """Notes that a PIN is set, or removed; its hash is for the keyring's own tests."""
        with self.guardian.journal.transaction() as tx:
            tx.approvers.note_pin(is_set=is_set)

    def approve(self) -> ApprovedPolicy:
        """What `guardian policy approve` does after the PIN."""
        approvals, journal = ApprovedPolicies(), self.guardian.journal
        with journal.transaction() as tx:
            pending = approvals.pending(tx, load_policy((self.home / "policy.toml").read_text("utf-8")))
        return approve_policy(journal, present(pending), PIN, approvals=approvals)

    async def arm(self, *, budget: str = "200", lasts_ms: int = 3_600_000) -> None:
        """What `guardian arm` does after the PIN."""
        connection = await self.guardian.connector.connect(needs_keys=True)
        with self.guardian.journal.transaction() as tx:
            self.guardian.policy_file.look(tx, adopts=False)
        policy = self.guardian.policy_file.current().policy
        terms = MandateTerms(
            scope=Scope(environment="live", account=connection.account),
            currency="USDT",
            budget=D(budget),
            max_order=None,
            symbols=frozenset({"BTCUSDT"}),
            lasts_ms=lasts_ms,
            policy_digest=policy.digest,
        )
        arm(self.guardian.journal, terms, policy, PIN, random_bytes=secrets.token_bytes)

    async def ready(self) -> None:
        """An owner with a PIN, an approved policy, a session mandate."""
        self.pin()
        self.approve()
        await self.arm()

    # -- what the assistant does

    async def call(self, request: Request) -> Reply:
        call = await self.guardian.gate.open_call(request.tool, {}, client="test")
        reply = await self.guardian.gate.handle(call, request)
        await self.guardian.gate.close_call(call, reply)
        return reply

    async def buy(self, quantity: str = "0.001", price: str = "60001") -> Reply:
        spec = OrderSpec(
            symbol="BTCUSDT",
            side=OrderSide.BUY,
            order_type=OrderType.LIMIT,
            quantity=D(quantity),
            price=D(price),
            time_in_force=TimeInForce.GTC,
        )
        return await self.call(CreateOrder(order=spec))

    async def cancel(self, client_order_id: str) -> Reply:
        return await self.call(CancelOrder(symbol="BTCUSDT", client_order_id=client_order_id))

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The rows of the log of this kind, oldest first."""
        import json
        import sqlite3

        with sqlite3.connect(self.home / "guardian.db") as log:
            rows = log.execute("SELECT body FROM audit WHERE phase = 'event' ORDER BY seq").fetchall()
        log.close()
        return [data for (body,) in rows if (data := json.loads(body)["data"])["kind"] == kind]


def with_keys(monkeypatch: pytest.MonkeyPatch, play: LivePlay) -> None:
    """Has the keyring hold the key of the play."""
    keyring = play.keyring()
    monkeypatch.setattr("guardian.credentials.store.open_credentials", lambda **_: keyring)
