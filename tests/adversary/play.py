"""A play's rig and oracle, and what the moves are made with: the assistant's, the owner's and guardian's own doings."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from guardian.cli.orders.settlement import find_unsettled, settle
from guardian.cli.trading.halt import DEFAULT_REASON
from guardian.domain.codes import Outcome
from guardian.domain.orders import OrderSpec
from guardian.domain.requests import CreateOrder
from guardian.domain.secrets import Secret
from guardian.domain.trading import TradingState
from guardian.gate.base.replies import OrderProposed, Reply
from guardian.gate.reads.positions import Positions
from guardian.gate.recovery.reconcile import Reconciler
from guardian.store.opening import begin_log, is_lost
from tests.adversary.oracle import COUNTS, LOSS, NOTIONAL, OPEN_CAP, OPEN_ORDERS, POSITIONS, WINDOWS, Oracle, Sent
from tests.adversary.rest import Post
from tests.adversary.rig import Rig
from tests.adversary.venue import ZERO, Order

D = Decimal
ONE: Final = D(1)
NEEDED: Final = ("/api/v3/ticker/bookTicker", "/api/v3/account", "/api/v3/time", "GET /api/v3/order")
"""What an exit cannot do without."""
READS: Final = ("get_ticker_price", "get_orders", "get_balance")
EDITS: Final = ("breaks", "no create", "no cancel", "only reads", "symbol", "side", "currency", "nothing")


class Play:
    """A rig, an oracle, and what the assistant and the owner have in their hands."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        required = self.dice.choice(("0", "150", "1000000"))
        floor = self.dice.choice(("0", "0", "0", "99700"))
        self.rules: dict[str, Any] = {"required_above": required, "min_free_quote": floor}
        self.rig = Rig(folder, self.policy(), seed=seed)
        self.venue = self.rig.venue
        self.oracle = Oracle(self.rig)
        self.oracle.owner.required_above, self.oracle.owner.min_free = D(required), D(floor)
        self.rig.front.after_post = self.arrived
        self.reached = self.oracle.reached
        self.asked: list[OrderSpec] = []
        self.tokens: list[str] = []
        self.amended: set[str] = set()
        """Orders that are called otherwise at the exchange than guardian called them."""
        self.blind_s = 0
        self.is_edited = False
        self.lied = self.is_lost = self.was_wiped = False
        self.copied_at: int | None = None
        self.copied_words: tuple[str, dict[str, Decimal]] = ("active", {})
        """What the owner had said to guardian when its home was copied: the switch, and the positions they set."""

    def arrived(self, post: Post) -> None:
        """An order is in. While the exchange is blind no read shows it for N seconds."""
        self.oracle.arrived(post)
        order, seconds = post.order, self.blind_s
        if order is None or not seconds:
            return
        self.blind_s = 0
        order.is_hidden = True

        def shows() -> None:
            order.is_hidden = False

        self.rig.clock.later.append((self.rig.clock.true_ms + seconds * 1000, shows))

    # -- the policy

    def policy(self, unit: Decimal = ONE) -> dict[str, Any]:
        """The caps that the oracle knows; `unit` is what one of the accounting currency is worth."""

        def in_unit(value: Decimal) -> str:
            return f"{(value / unit).quantize(D('0.00000001')):f}"

        symbols = {
            name: {"max_notional": in_unit(NOTIONAL), "max_position": f"{most}", "max_quantity": "1"}
            for name, most in POSITIONS.items()
        }
        return {
            "limits": {
                "max_open_notional": in_unit(OPEN_CAP),
                "rolling_notional": [
                    {"window": f"{length // 60_000}m", "max": in_unit(most)} for length, most in WINDOWS.items()
                ],
                "max_orders": [{"window": f"{length // 60_000}m", "max": most} for length, most in COUNTS.items()],
                "max_open_orders": OPEN_ORDERS,
                "max_daily_loss": in_unit(LOSS),
                "duplicate_window": "60s",
                "halt_after_orders": 20,
                "min_free_quote": self.rules["min_free_quote"],
            },
            "confirmation": {"required_above": in_unit(D(self.rules["required_above"])), "max_outstanding": 3},
            "symbols": symbols,
        }

    def edit(self, what: str) -> str:
        """The owner edits the policy file; every edit begins from the whole one."""
        owner = self.oracle.owner
        owner.is_broken = owner.no_create = False
        owner.symbols, owner.buys_on, owner.currency = set(POSITIONS), set(POSITIONS), "USDT"
        symbol = self.dice.choice(sorted(POSITIONS))
        self.is_edited = what != "nothing"
        changed = self.policy()
        if what == "breaks":
            owner.is_broken = True
            self.rig.write("schema = 1\nnonsense = 1\n")
            return what
        if what in {"no create", "no cancel", "only reads"}:
            owner.no_create = True
            deny = ["create_order"] if what == "no create" else ["create_order", "cancel_order"]
            changed["tools"] = {"allow": list(READS)} if what == "only reads" else {"deny": deny}
        elif what == "symbol":
            owner.symbols.discard(symbol)
            owner.buys_on.discard(symbol)
            changed["symbols"][symbol] = None
        elif what == "side":
            owner.buys_on.discard(symbol)
            changed["symbols"][symbol] |= {"sides": ["SELL"]}
        elif what == "currency":
            owner.currency, owner.was_edited = "BTC", True
            changed = self.policy(unit=self.venue.worth["BTC"])
            changed["accounting"] = {"currency": "BTC", "conversions": {"USDT": "BTCUSDT", "BTC": None}}
        self.rig.policy(changed)
        return f"{what} {symbol}"

    # -- the assistant

    def told(self, reply: Reply) -> str:
        """A reply in a few words; what no reply may have is noted."""
        self.reached[f"answer: {reply.outcome.value}"] += 1
        if reply.outcome is Outcome.FAILED:
            self.oracle.wrong(0, f"a fault: {(reply.detail or '').strip()[-300:]}")
        if any(token in repr(reply) for token in self.tokens):
            self.oracle.wrong(3, "a reply has a token in it")
        if reply.error is None:
            return reply.outcome.value
        codes = sorted({denial.code.name for denial in reply.error.denials} | {reply.error.code.name})
        self.reached.update(f"denied: {code}" for code in codes)
        return f"{reply.outcome.value} {' '.join(codes)}"

    def ask(self, order: OrderSpec) -> str:
        """One order; where a person is asked, mostly they agree at once."""
        self.asked.append(order)
        reply = self.rig.ask(order)
        told = self.told(reply)
        if isinstance(reply.data, OrderProposed) and self.dice.random() < 0.6:
            token = self.approve(reply.data.proposal_id)
            return f"{told}, approved -> {self.told(self.rig.use(token))}"
        return told

    def ask_together(self, orders: list[OrderSpec]) -> str:
        self.asked += orders
        return self._together([(CreateOrder(order=order), dict(order.as_dict())) for order in orders])

    def use_together(self, tokens: list[str]) -> str:
        return self._together([(CreateOrder(confirmation_token=Secret(token)), {}) for token in tokens])

    def _together(self, requests: list[tuple[CreateOrder, dict[str, str]]]) -> str:
        """All at once, from all processes."""
        self.rig.front.lose = [fate for fate in self.rig.front.lose if not fate.startswith("dies")]
        processes = self.rig.processes

        async def work() -> list[Any]:
            calls = (
                processes[number % len(processes)].acall(request, arguments)
                for number, (request, arguments) in enumerate(requests)
            )
            return list(await asyncio.gather(*calls, return_exceptions=True))

        found = self.rig.run(work())
        return ", ".join(self.told(one) if isinstance(one, Reply) else type(one).__name__ for one in found)

    def cancel(self, order: Order, *, by_number: bool) -> str:
        """Promise 6: it is cancelled, wherever the exchange can be reached."""
        ids: dict[str, Any] = {"order_id": order.order_id} if by_number else {"client_order_id": order.posted_as}
        down, lies = self.rig.front.down, dict(self.rig.front.lies)
        reachable = not down & {"*"} and not (order.posted_as in self.amended and (down or lies or order.is_hidden))
        # By its number alone, an order that guardian does not know has to be asked for first.
        reachable = reachable and not (by_number and (order.is_hidden or down or lies))
        known = not self.is_lost or order.posted_as not in self.amended
        # Without its row, a cancel could go to no exchange that anything in the home names.
        is_nowhere = self.rig.process.began_nowhere and self.rig.is_nowhere() and not self.is_known(order)
        known = known and not is_nowhere
        reply = self.rig.cancel(order.symbol, **ids)
        told = self.told(reply)
        if reachable and known and order.is_open:
            self.oracle.wrong(6, f"an open order was not cancelled: {told}")
        self.reached["cancel: done" if not order.is_open else "cancel: not done"] += 1
        return told

    def known_sellable(self, asset: str) -> Decimal:
        """What is truly left to sell and what guardian can know of."""
        rows = self.rig.sql(
            "SELECT side, base_asset, quantity, quote_notional FROM orders WHERE state IN ('reserved', 'unknown')"
        )
        doubt = sum((D(quantity) for side, base, quantity, _ in rows if side == "SELL" and base == asset), ZERO)
        doubt += sum((D(quote) for side, base, _, quote in rows if side == "BUY" and base != asset), ZERO)
        for order in self.oracle.ours():
            if order.is_open and order.side == "SELL" and order.posted_as in self.amended:
                doubt += order.sent_quantity - order.quantity
        left = self.oracle.sellable(asset) - self.oracle.to_be_paid(asset) - doubt
        return max(min(left, self.venue.free.get(asset, ZERO)), ZERO)

    def exit(self, order: OrderSpec) -> str:
        """Promise 6: it passes, or a person is asked, where nothing of the README's table is in the way."""
        hindered = self._hindered(order.symbol)
        reply = self.rig.ask(order)
        told = self.told(reply)
        self.reached["exit: hindered" if hindered else "exit: free"] += 1
        codes = set() if reply.error is None else {denial.code.name for denial in reply.error.denials}
        if not hindered and reply.outcome is Outcome.DENIED and codes - {"PROPOSALS_EXCEED_MAX"}:
            self.oracle.wrong(6, f"a full exit is denied: {told}")
        return f"{told} {hindered or ''}"

    def _hindered(self, symbol: str) -> str | None:
        """What of the README's table, or of what nobody can know, is in the way of an exit."""
        owner, market = self.oracle.owner, self.venue.markets[symbol]
        with self.rig.process.journal.transaction() as tx:
            state, _ = self.rig.process.journal.trading(tx)
        reasons = {
            "halted": state is TradingState.HALTED,
            "the policy": owner.is_broken or owner.no_create,
            "the book": not market.is_two_sided or market.status != "TRADING",
            "the exchange": bool(self.rig.front.down & {"*", *NEEDED}),
            "the clock": self.rig.clock.wrong_ms != 0,
            "a contradiction": self.lied or bool(self.rig.front.lies),
            "a lost home": self.is_lost or self.was_wiped,
            "a blind exchange": any(order.is_hidden for order in self.oracle.ours()),
            "an average": market.average is not None and not D("0.6") < market.bid / market.average < D("1.4"),
        }
        return next((why for why, is_so in reasons.items() if is_so), None)

    # -- the owner

    def waiting(self) -> list[str]:
        """The proposals that wait for the owner, as `guardian approve` lists them."""
        with self.rig.process.journal.transaction() as tx:
            return [proposal.id for proposal in tx.proposals.waiting() if proposal.state == "waiting"]

    def approve(self, proposal: str) -> str:
        """The owner agrees; a StoreConflict where it has expired."""
        with self.rig.process.journal.transaction() as tx:
            shown = tx.proposals.get(proposal)
        token = self.rig.approve(proposal)
        self.oracle.owner.approved[proposal] = dict(shown.resolved)
        self.oracle.owner.acted = len(self.oracle.sent)
        self.tokens.append(token)
        return token

    def halt(self, state: TradingState) -> str:
        owner = self.oracle.owner
        with self.rig.process.journal.transaction() as tx:
            if state is TradingState.HALTED or tx.trading.status().state is TradingState.ACTIVE:
                tx.trading.set(state, reason=DEFAULT_REASON, by="owner")
                owner.state = state.value
        return state.value

    def resume(self) -> str:
        self.rig.resume()
        self.oracle.owner.state = "active"
        self.oracle.owner.acted = len(self.oracle.sent)
        return ""

    def set_position(self, asset: str, quantity: Decimal) -> str:
        """What `guardian position set` does once the owner has said yes: from then on it is true."""
        self.looks("resolves")
        if self._unresolved():
            return "not now: what they bring is not in it yet"
        positions = Positions(self.rig.process.context)
        correction = self.rig.run(positions.prepare(asset, quantity))
        self.rig.run(positions.correct(correction))
        self.oracle.corrected[asset] += quantity - self.oracle.net(asset)
        return f"{quantity} {asset}"

    def _unresolved(self) -> list[str]:
        rows = self.rig.sql("SELECT client_order_id FROM orders WHERE state IN ('reserved', 'unknown')")
        return [name for (name,) in rows]

    def settle(self) -> str:
        """What `guardian settle` does once the owner has said yes: its budget is theirs from then on."""
        names = self._unresolved()
        if not names:
            return "nothing is unknown"
        found = self.rig.run(find_unsettled(self.rig.process.guardian, names[0]))
        if isinstance(found, str):
            return found
        with self.rig.process.guardian.journal.transaction() as tx:
            state = settle(tx, found.row, DEFAULT_REASON)
        for sent in self.oracle.sent:
            if sent.post.client_id == names[0]:
                sent.order = None
        self.oracle.settled[names[0]] = state.value
        self.is_lost = True
        return state.value

    # -- guardian by itself, and its home

    def looks(self, how: str) -> str:
        process = self.rig.process
        if how == "resolves":
            return f"{len(self.rig.run(process.resolver.run_once()))} found"
        found = self.rig.run(Reconciler(process.context).run())
        return f"{len(found.differences)} differ"

    def copy(self) -> str:
        self.rig.restart_all(lambda: self._keep(self.rig.home, self.rig.folder / "copy"))
        self.copied_at = len(self.oracle.sent)
        self.copied_words = self.oracle.owner.state, dict(self.oracle.corrected)
        return f"after {self.copied_at} orders"

    @staticmethod
    def _keep(source: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)

    def put_back(self) -> str:
        """An older copy of the home takes its place, and the owner's word is what it was then; the policy stays."""
        since = [] if self.copied_at is None else self.oracle.sent[self.copied_at :]
        if self.copied_at is None or self._cannot_be_found(since):
            return "not now"
        text = self.rig.policy_path.read_text("utf-8")

        def between() -> None:
            self._keep(self.rig.folder / "copy", self.rig.home)
            self.rig.write(text)

        self.rig.restart_all(between)
        self.oracle.owner.no_log = is_lost(self.rig.home)
        self.oracle.owner.state, corrected = self.copied_words
        self.oracle.corrected = defaultdict(lambda: ZERO, corrected)
        self.is_lost = self.is_lost or bool(since)
        self.oracle.forget_refused()
        self.reached["home put back"] += bool(since)
        return f"{len(since)} orders are forgotten"

    def _cannot_be_found(self, sent: list[Sent]) -> bool:
        """Whether orders are called otherwise, hidden, wiped or of a symbol that nobody looks at any more."""
        is_odd = any(one.post.client_id in self.amended for one in sent)
        is_hidden = any(order.is_hidden for order in self.oracle.ours())
        return is_odd or is_hidden or self.was_wiped or self.oracle.owner.symbols != set(POSITIONS)

    def lose_log(self) -> str:
        """`guardian.db` is deleted; the policy stays."""
        if self._cannot_be_found(self.oracle.sent):
            return "not now"

        def between() -> None:
            for path in self.rig.home.glob("guardian.db*"):
                path.unlink()

        self.rig.restart_all(between)
        self.oracle.owner.no_log = self.is_lost = True
        self.oracle.corrected.clear()
        self.oracle.forget_refused()
        self.reached["log lost"] += 1
        return ""

    def begin_log(self) -> str:
        """The owner says `guardian init`: a lost log begins, without what they said before; another continues."""
        if is_lost(self.rig.home):
            self.oracle.owner.no_log = False
            self.oracle.owner.state = "active"
        begin_log(self.rig.home)
        return ""

    def is_known(self, order: Order) -> bool:
        """Whether guardian has the number that the exchange gave an order."""
        rows = self.rig.sql("SELECT order_id FROM orders WHERE client_order_id=?", order.posted_as)
        return any(number is not None for (number,) in rows)

    def settles(self) -> None:
        """At the end everything can be asked again: guardian has every order as the exchange has it."""
        front = self.rig.front
        front.down, front.lose, front.lies, front.slow = set(), [], {}, {}
        self.rig.clock.wrong_ms = 0
        self.rig.clock.forward(700)
        self.begin_log()
        for symbol in self.venue.markets:
            self.venue.reopen(symbol)
        self.rig.restart_all()
        for _ in range(40):
            self.looks("resolves")
            self.rig.clock.forward(31)
        self.looks("reconciles")
        rows = {
            name: (state, D(executed))
            for name, state, executed in self.rig.sql("SELECT client_order_id, state, executed_quantity FROM orders")
        }
        for order in [] if self.is_lost or self.was_wiped or self.lied else self.oracle.ours():
            state, executed = rows.get(order.posted_as, ("nothing", ZERO))
            if (state in {"open", "part_filled"}) is not order.is_open or executed != order.executed:
                is_so = f"{order.status} {order.executed}"
                self.oracle.wrong(5, f"in the end an order is {state} {executed}: {order.posted_as} is {is_so}")
        for state, _ in rows.values():
            if state in {"reserved", "unknown"}:
                self.oracle.wrong(5, f"in the end an order is {state}")

    def wipe(self) -> str:
        if self.is_lost:
            return "not now: what guardian forgot could be found by nobody"
        self.venue.wipe()
        self.was_wiped, self.copied_at = True, None
        return ""
