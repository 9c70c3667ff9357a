"""The steps of the tour: the real server and a real client on a temporary home. Every step is checked."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, STOPPED
from guardian.cli.support.render import print_line, say
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX
from guardian.home.folder import ready_made_policy
from guardian.paper.host.home import stop
from guardian.store.opening import begin_log
from guardian.system.typed_command import as_typed
from guardian.system.variables import known_variables

SYMBOL = "BTCUSDT"


class StepFailed(click.ClickException):
    """A step of the tour did not go as it must."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        say(f"guardian: error: the tour stopped: {self.message}")
        say("guardian: hint: this is a fault of guardian's or of its installation; nothing of yours was touched")


@dataclass(slots=True)
class Tour:
    """The story so far: where it plays, and what is to be remembered from step to step."""

    home: Path
    step: int = 0
    seen: dict[str, Any] = field(default_factory=dict)

    def title(self, text: str) -> None:
        """Begin a step."""
        self.step += 1
        print_line("")
        print_line(f"{self.step}. {text}")

    def line(self, who: str, text: str) -> None:
        """What somebody said or did."""
        print_line(f"   {who:<9} {text}")

    def must(self, condition: bool, what: str) -> None:
        """Check a step: raises StepFailed unless it went as it must."""
        if not condition:
            raise StepFailed(f"step {self.step}: {what}")

    def environment(self) -> dict[str, str]:
        """The environment of the processes of the tour: this home, and the variables that count."""
        return {**known_variables(os.environ), "GUARDIAN_HOME": str(self.home)}

    def guardian(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of guardian's on the home of the tour, as a person would, and show what it says.

        Raises KeyboardInterrupt where Ctrl-C ended it: the terminal sends that to every process.
        """
        self.line("you", f"$ guardian {' '.join(arguments)}")
        done = self.quietly(*arguments)
        for line in (*done.stdout.splitlines(), *done.stderr.splitlines()):
            print_line(f"   {line}")
        return done

    def quietly(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As `guardian`, and show nothing."""
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own module, fixed words
            [sys.executable, "-m", "guardian", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        if done.returncode == STOPPED:
            raise KeyboardInterrupt
        return done


def run() -> None:
    """Show every step on a throw-away home. Raises StepFailed where one does not go as it must."""
    with tempfile.TemporaryDirectory(prefix="guardian-tour-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        try:
            tour = Tour(home=home)
            asyncio.run(_tour(tour))
            # Outside of the event loop, which would hold Ctrl-C back from what is waited for here.
            _log_step(tour)
        finally:
            stop(home)


async def _tour(tour: Tour) -> None:
    begin_log(tour.home)
    policy = tour.home / "policy.toml"
    policy.write_bytes(ready_made_policy("tour").read_bytes())
    policy.chmod(0o600)
    transport = StdioTransport(
        sys.executable,
        ["-m", "guardian", "serve"],
        env=tour.environment(),
        cwd=str(tour.home),
        log_file=tour.home / "server.log",
    )
    async with Client(transport) as client:
        tools = await client.list_tools()
        tour.must(len(tools) == 17, f"the server lists {len(tools)} tools, not 17")
        tour.line("guardian", f"is up, with {len(tools)} tools; trading is held to {policy.name}")
        await _price_step(tour, client)
        await _over_the_cap_step(tour, client)
        await _within_the_cap_step(tour, client)
        await _balance_step(tour, client)
        await _replay_step(tour, client)
        await _open_order_step(tour, client)
        await _halted_step(tour, client)


async def _call(tour: Tour, client: Client[Any], tool: str, **arguments: str) -> dict[str, Any]:
    """One tool call, with what was said on each side."""
    shown = {k: "(token)" if k == "confirmation_token" else v for k, v in arguments.items()}
    tour.line("assistant", f"{tool} {json.dumps(shown)}" if shown else tool)
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    envelope = result.structured_content
    tour.must(isinstance(envelope, dict), f"{tool} answered without an envelope")
    assert isinstance(envelope, dict)
    tour.line("guardian", _in_one_line(envelope))
    return envelope


def _in_one_line(envelope: Mapping[str, Any]) -> str:
    """An envelope in one line."""
    error, data = envelope["error"], envelope["data"]
    if error is not None:
        hint = f" ({error['hint']})" if error.get("hint") else ""
        return f"{envelope['outcome']} {error['code']}: {error['message']}{hint}"
    if "proposal_id" in data:
        order = data["order"]
        return (
            f"{envelope['outcome']}: proposal {data['proposal_id']}, {order['side']} {order['quantity']} "
            f"{order['symbol']}, "
            f"costs at most {order['costs_at_most']} {order['quote_asset']} before fees; nothing was sent"
        )
    if "note" in data:
        return f"{envelope['outcome']}: {data['note']}"
    return f"{envelope['outcome']}: {json.dumps(data)[:140]}"


async def _price_step(tour: Tour, client: Client[Any]) -> None:
    tour.title("a price")
    reply = await _call(tour, client, "get_ticker_price", symbol=SYMBOL)
    tour.must(reply["outcome"] == "done" and Decimal(reply["data"]["price"]) > 0, "there is no price")
    tour.seen["before"] = await _balances(tour, client)


async def _over_the_cap_step(tour: Tour, client: Client[Any]) -> None:
    tour.title("an order over the cap of 100 USDT")
    reply = await _order(tour, client, quote_quantity="5000")
    codes = {denial["code"] for denial in (reply["error"] or {}).get("denials", ())}
    tour.must(reply["outcome"] == "denied" and "NOTIONAL_EXCEEDS_MAX" in codes, "an order over the cap was not denied")


async def _within_the_cap_step(tour: Tour, client: Client[Any]) -> None:
    tour.title("an order within it: proposed, confirmed, filled")
    reply = await _order(tour, client, quote_quantity="50")
    tour.must(reply["outcome"] == "confirmation_required", "an order within the cap was not proposed")
    token = reply["data"]["confirmation_token"]
    tour.must(isinstance(token, str), "the tour's policy says `chat`, and there is no token")
    tour.line("you", f"here a person decides: `guardian approve {reply['data']['proposal_id']}` in a terminal")
    tour.line("", "(the tour's policy hands the token to the assistant instead; the default policy never does)")
    tour.seen["token"] = token
    reply = await _call(tour, client, "create_order", confirmation_token=token)
    tour.must(reply["outcome"] == "done", "the confirmed order was not placed")
    order = reply["data"]["order"]
    tour.must(order["state"] == "filled" and Decimal(order["executed_quantity"]) > 0, "the order was not filled")
    is_ours = order["client_order_id"].startswith(CLIENT_ORDER_ID_PREFIX)
    tour.must(is_ours, "the order does not carry its log entry's digest")
    tour.seen["order"] = order


async def _balance_step(tour: Tour, client: Client[Any]) -> None:
    tour.title("the balance has changed")
    after, before = await _balances(tour, client), tour.seen["before"]
    fee = Decimal((tour.seen["order"]["commissions"] or {}).get("BTC", "0"))
    bought = Decimal(tour.seen["order"]["executed_quantity"]) - fee
    tour.must(after["BTC"] - before["BTC"] == bought, "the bitcoin that was bought is not there")
    tour.must(after["USDT"] < before["USDT"], "nothing was paid")
    tour.line("", f"BTC {before['BTC']} -> {after['BTC']}, USDT {before['USDT']} -> {after['USDT']}")


async def _replay_step(tour: Tour, client: Client[Any]) -> None:
    tour.title("the token again: nothing is sent")
    orders = await _orders(tour, client)
    reply = await _call(tour, client, "create_order", confirmation_token=tour.seen["token"])
    tour.must(reply["outcome"] == "done" and reply["data"]["already_placed"], "a replayed token was not recognised")
    same = reply["data"]["order"]["client_order_id"] == tour.seen["order"]["client_order_id"]
    tour.must(same, "a replayed token answered with another order")
    tour.must(len(await _orders(tour, client)) == len(orders), "a replayed token placed an order")


async def _open_order_step(tour: Tour, client: Client[Any]) -> None:
    tour.title("a limit order below the market stays open")
    price = await _call(tour, client, "get_ticker_price", symbol=SYMBOL)
    limit = (Decimal(price["data"]["price"]) * Decimal("0.98")).quantize(Decimal("0.01"))
    fields = {"order_type": "LIMIT", "quantity": "0.0005", "price": str(limit)}
    reply = await _call(tour, client, "create_order", symbol=SYMBOL, side="BUY", **fields)
    tour.must(reply["outcome"] == "confirmation_required", "the limit order was not proposed")
    token = reply["data"]["confirmation_token"]
    reply = await _call(tour, client, "create_order", confirmation_token=token)
    tour.must(reply["outcome"] == "done" and reply["data"]["order"]["state"] == "open", "the limit order is not open")
    tour.seen["open"] = reply["data"]["order"]


async def _halted_step(tour: Tour, client: Client[Any]) -> None:
    tour.title("halt: no order is created, and a cancel still works")
    halted = await asyncio.to_thread(tour.guardian, "halt")
    tour.must(halted.returncode == 0, f"halt failed: {halted.stderr}")
    reply = await _order(tour, client, quote_quantity="20")
    tour.must(reply["outcome"] == "denied", "an order was created while trading is halted")
    tour.must(reply["error"]["code"] == "TRADING_HALTED", "the denial does not say that trading is halted")
    fields = {"symbol": SYMBOL, "client_order_id": tour.seen["open"]["client_order_id"]}
    reply = await _call(tour, client, "cancel_order", **fields)
    tour.must(reply["outcome"] == "done", "a cancel was refused while trading is halted")
    tour.must(reply["data"]["order"]["state"] == "cancelled", "the order is not cancelled")


def _log_step(tour: Tour) -> None:
    tour.title("what the log has, and that it is whole")
    for arguments in (("audit", "list", "--limit", "20"), ("audit", "verify")):
        shown = tour.guardian(*arguments)
        # This home is thrown away and has no key: its log is intact in itself, which is all that can be said of it.
        tour.must(shown.returncode in {FINE, COULD_NOT_TELL}, f"`guardian {' '.join(arguments)}`: {shown.stderr}")
    listed = tour.quietly("audit", "list", "--tool", "create_order", "--limit", "50", "--json")
    tour.must(listed.returncode == 0 and len(json.loads(listed.stdout)) >= 7, "the log does not have every order")
    tour.line("", f"every one of the {len(json.loads(listed.stdout))} calls of create_order is there")
    print_line("")
    print_line(as_typed("that was all. Next: `guardian init`, and then `guardian install claude-desktop`"))


async def _order(tour: Tour, client: Client[Any], *, quote_quantity: str) -> dict[str, Any]:
    fields = {"symbol": SYMBOL, "side": "BUY", "order_type": "MARKET", "quote_quantity": quote_quantity}
    return await _call(tour, client, "create_order", **fields)


async def _balances(tour: Tour, client: Client[Any]) -> dict[str, Decimal]:
    """What the account has, free and locked together."""
    result = await client.call_tool("get_balance", {}, raise_on_error=False)
    envelope = result.structured_content
    tour.must(envelope is not None and envelope["outcome"] == "done", "the balance could not be read")
    assert envelope is not None
    balances = envelope["data"]["balances"]
    return {b["asset"]: Decimal(b["free"]) + Decimal(b["locked"]) for b in balances}


async def _orders(tour: Tour, client: Client[Any]) -> list[dict[str, Any]]:
    result = await client.call_tool("get_orders", {"symbol": SYMBOL}, raise_on_error=False)
    envelope = result.structured_content
    tour.must(envelope is not None and envelope["outcome"] == "done", "the orders could not be read")
    assert envelope is not None
    orders: list[dict[str, Any]] = envelope["data"]["orders"]
    return orders
