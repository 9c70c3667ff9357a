"""Guardian, of this checkout or of another: its homes, its policies and its commands."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.subjects.processes import Finished, environment, run
from tests.benchmarks.subjects.stdio import Command, Failed
from tests.benchmarks.subjects.subject import SYMBOL, Arguments, Subject, quantity, structured
from tests.benchmarks.venue.client import Endpoint
from tests.support.world import BASE, WIDE, merged, toml

PROGRAMS: Final = Path(__file__).parents[1] / "programs"
ASKS: Final[Mapping[str, Any]] = {"confirmation": {"required_above": "0", "channel": "chat", "max_outstanding": 1000}}
"""Every order is proposed, and the token is in the reply."""
ROOMY: Final[Mapping[str, Any]] = {
    "limits": {"max_open_notional": "100000000", "rolling_notional": [{"window": "24h", "max": "100000000"}]},
    "symbols": {
        SYMBOL: {"max_notional": "1000", "max_quantity": "1", "max_position": "1000"},
        "ETHUSDT": {"max_notional": "1000", "max_quantity": "1", "max_position": "1000"},
    },
}
"""Budgets that no run uses up. They are checked as small ones are."""
TOOLS: Final[Mapping[str, Arguments]] = {
    "get_ticker_price": {"symbol": SYMBOL},
    "get_ticker": {"symbol": SYMBOL},
    "get_order_book": {"symbol": SYMBOL},
    "get_available_assets": {"base_asset": "BTC"},
    "get_fee_info": {"symbol": SYMBOL},
    "get_balance": {},
    "get_account_snapshot": {},
    "get_orders": {},
    "get_pnl": {},
    "get_position_info": {},
    "get_liquidation_history": {},
    "get_deposit_address": {"coin": "BTC"},
    "get_deposit_history": {},
    "get_withdraw_history": {},
    "get_universal_transfer_history": {"transfer_type": "MAIN_FUNDING"},
}


@dataclass(slots=True)
class Guardian:
    """The guardian of one checkout, run by one Python."""

    label: str
    tree: Path
    python: str
    scratch: Path
    _homes: itertools.count[int] = field(default_factory=itertools.count)

    def variables(self, home: Path | None = None) -> dict[str, str]:
        """Returns the environment of its processes: this checkout's code comes first, whatever else is installed."""
        named = {} if home is None else {"GUARDIAN_HOME": str(home)}
        return {**environment(self.scratch), "PYTHONPATH": str(self.tree), **named}

    def home(self, endpoint: Endpoint, *changes: Mapping[str, Any], credentials: Path | None = None) -> Path:
        """Makes a home that trades on this exchange, with a log, and a policy of wide limits but for `changes`."""
        home = self.scratch / f"{self.label.replace(' ', '-')}-{next(self._homes)}"
        home.mkdir(mode=0o700)
        self.write_policy(home, endpoint, *changes)
        token = self.program("prepare_home.py", str(home), *([] if credentials is None else [str(credentials)]))
        if credentials is not None:
            (home.parent / f"{home.name}.token").write_text(token, "utf-8")
        return home

    def write_policy(self, home: Path, endpoint: Endpoint, *changes: Mapping[str, Any]) -> None:
        """Writes the policy of a home; a running server takes it from its next call on."""
        paper = {"endpoint": endpoint.url, "api_key": endpoint.api_key, "api_secret": endpoint.api_secret}
        new = home / "policy.new"
        new.write_text(toml(merged(BASE, {"paper": paper}, WIDE, ROOMY, *changes)), "utf-8")
        new.chmod(0o600)
        new.replace(home / "policy.toml")

    def program(self, name: str, *arguments: str, timeout_s: float = 600) -> str:
        """Runs one of the programs in its Python, and returns what it prints. Raises Failed."""
        done = run(
            [self.python, str(PROGRAMS / name), *arguments],
            env=self.variables(), cwd=self.scratch, timeout_s=timeout_s,
        )  # fmt: skip
        if done.code != 0:
            raise Failed(f"{self.label}: {name}: {done.out[-800:]}")
        return done.out

    def command(self, home: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> Finished:
        """Runs one of its commands on a home. Raises Failed where it ends with another code."""
        done = run([self.python, "-P", "-m", "guardian", *arguments], env=self.variables(home), cwd=self.scratch)
        if done.code not in codes:
            raise Failed(f"{self.label}: guardian {' '.join(arguments)} ended with {done.code}: {done.out[-800:]}")
        return done

    def serve(self, home: Path, *arguments: str) -> Command:
        """Returns how the server of a home is started."""
        argv = (self.python, "-P", "-m", "guardian", "serve", *arguments)
        return Command(argv=argv, env=self.variables(home), cwd=self.scratch)

    def traced(self, home: Path, spans: Path) -> Command:
        """Returns how the server of a home is started so that it writes down at its end what it did when."""
        argv = (self.python, "-P", str(PROGRAMS / "traced_server.py"), str(spans))
        return Command(argv=argv, env=self.variables(home), cwd=self.scratch)

    def subject(self, *changes: Mapping[str, Any]) -> Subject:
        """Returns it as a subject, whose homes have these changes of the policy besides."""
        return Subject(
            label=self.label,
            command=lambda endpoint: self.serve(self.home(endpoint, ASKS, *changes)),
            is_fine=is_done,
            read=("get_ticker_price", {"symbol": SYMBOL}),
            tools=TOOLS,
            order=market_order,
            confirms=True,
        )


def market_order(number: int) -> tuple[str, Arguments]:
    """Returns a market order of a quantity of its own."""
    amount = format(Decimal(quantity(number)), "f")
    return "create_order", {"symbol": SYMBOL, "side": "BUY", "order_type": "MARKET", "quantity": amount}


def resting_order(number: int) -> tuple[str, Arguments]:
    """Returns a limit order far below the market, of a price of its own."""
    fields = {"side": "BUY", "order_type": "LIMIT", "quantity": "0.001", "price": f"{50_000 + number}"}
    return "create_order", {"symbol": SYMBOL, **fields}


def is_done(result: dict[str, Any]) -> bool:
    """Whether a call was done, or an order proposed."""
    return structured(result).get("outcome") in {"done", "confirmation_required"}


def token_of(result: dict[str, Any]) -> str:
    """Returns the confirmation token of a proposal. Raises Failed where the order was not proposed."""
    token = (structured(result).get("data") or {}).get("confirmation_token")
    if not isinstance(token, str):
        raise Failed(f"no confirmation token: {str(result)[:600]}")
    return token
