"""The helper of a home killed again and again in mid-order while two other processes trade.

As a script it does what the test does with as many kills as are wanted, and prints what it saw:
`python -m tests.paper.host.kills 50`.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from guardian.errors import ExchangeUnavailable
from guardian.paper.host.home import PaperEndpoint, find, find_or_start, read_port_file, reap, stop
from guardian.paper.market.symbols import START_BALANCES
from tests.support import prefork

NEVER_REACHED = (OSError, http.client.HTTPException, ExchangeUnavailable)
WITHIN_S = 5.0


class Line:
    """A kept connection to the home's exchange, which is looked for again when it breaks."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._endpoint: PaperEndpoint | None = None
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, **params: object) -> tuple[int, Any]:
        """Sends one request once. Raises what is in NEVER_REACHED; then nobody knows what happened to it."""
        if self._connection is None:
            self._endpoint = find_or_start(self._home)
            self._connection = http.client.HTTPConnection(self._endpoint.url.removeprefix("http://"), timeout=10)
        assert self._endpoint is not None
        query = urlencode({**params, "recvWindow": 20_000, "timestamp": time.time_ns() // 1_000_000})
        secret = self._endpoint.api_secret.reveal().encode()
        query += "&signature=" + hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        try:
            self._connection.request(
                method, f"{path}?{query}", headers={"X-MBX-APIKEY": self._endpoint.api_key.reveal()}
            )
            reply = self._connection.getresponse()
            return reply.status, json.loads(reply.read())
        except (*NEVER_REACHED, ValueError):
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def insist(self, method: str, path: str, **params: object) -> tuple[int, Any]:
        """Asks a question again until it is answered: for reading only."""
        deadline = time.monotonic() + 30
        while True:
            try:
                status, told = self.ask(method, path, **params)
                if status not in {429, 418}:
                    return status, told
                time.sleep(1)
            except (*NEVER_REACHED, ValueError):
                if time.monotonic() > deadline:
                    raise


def trade(home: Path, name: str, log: Path, ended: Path) -> None:
    """Trades until the file `ended` is there: market orders either way, now and then one that rests or a cancel.

    Every order is sent once; one whose reply did not come is queried. What happened is in the log, line by line.
    """
    number, resting = 0, ""
    with log.open("w", encoding="utf-8", buffering=1) as file, closing(Line(home)) as line:

        def note(*words: object) -> None:
            file.write(" ".join(str(word) for word in (time.monotonic(), *words)) + "\n")

        while not ended.exists():
            number += 1
            order = f"{name}-{number}"
            terms: dict[str, object] = {"symbol": "BTCUSDT", "newClientOrderId": order, "quantity": "0.0002"}
            if number % 40 == 0:
                terms |= {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "40000"}
            else:
                terms |= {"side": "BUY" if number % 2 else "SELL", "type": "MARKET"}
            try:
                if resting and number % 40 == 20:
                    line.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=resting)
                    resting = ""
                status, _ = line.ask("POST", "/api/v3/order", **terms)
            except (*NEVER_REACHED, ValueError) as error:
                status, _ = line.insist("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=order)
                note("found" if status == 200 else "absent", order, type(error).__name__)
                continue
            note("placed" if status == 200 else "refused", order, status)
            if status == 200 and number % 40 == 0:
                resting = order
            if status != 200:
                time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rehearsal found. Times are in seconds."""

    kills: int
    placed: int
    found: int
    absent: int
    refused: int
    in_mid_order: int
    """Kills after which a trader had an order whose reply never came."""
    longest_pause_s: float
    mistakes: tuple[str, ...]


def rehearse(home: Path, *, kills: int, seed: int) -> Seen:
    """Two traders in processes of their own, and the helper killed N times in between."""
    dice = random.Random(seed)
    ended = home.parent / "ended"
    logs = [home.parent / f"{name}.log" for name in ("one", "two")]
    find_or_start(home)
    traders = [
        prefork.popen([sys.executable, "-m", "tests.paper.host.kills", "trade", home, log.stem, log, ended])
        for log in logs
    ]
    moments: list[float] = []
    try:
        for _ in range(kills):
            _both_went_on(logs, moments[-1] if moments else 0.0, traders)
            time.sleep(dice.random() * 0.2)
            written = read_port_file(home)
            assert written is not None
            moments.append(time.monotonic())
            os.kill(written.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            reap()
        _both_went_on(logs, moments[-1], traders)
    finally:
        ended.touch()
        for trader in traders:
            try:
                trader.wait(40)
            finally:
                trader.kill()
                trader.wait()
    return _judged(home, logs, moments)


def _both_went_on(logs: list[Path], since: float, traders: list[subprocess.Popen[bytes]]) -> None:
    """Waits until each trader has placed three orders since then."""
    deadline = time.monotonic() + 30
    while not all(
        len([row for row in _rows(log) if row[1] == "placed" and float(row[0]) > since]) >= 3 for log in logs
    ):
        assert all(trader.poll() is None for trader in traders), "a trader ended"
        assert time.monotonic() < deadline, "a trader does not go on"
        time.sleep(0.02)


def _rows(log: Path) -> list[list[str]]:
    if not log.exists():
        return []
    # The last line may be half written.
    return [line.split(" ") for line in log.read_text(encoding="utf-8").split("\n")[:-1]]


def _judged(home: Path, logs: list[Path], moments: list[float]) -> Seen:
    rows = [_rows(log) for log in logs]
    told = {
        word: {row[2] for one in rows for row in one if row[1] == word}
        for word in ("placed", "found", "absent", "refused")
    }
    pauses = [_next(one, moment, "placed") - moment for moment in moments for one in rows]
    cut = [any(_next(one, moment, word) < _next(one, moment, "placed") for one in rows for word in ("found", "absent"))
           for moment in moments]  # fmt: skip
    with closing(Line(home)) as line:
        orders = _all(line, "/api/v3/allOrders", "orderId")
        trades = _all(line, "/api/v3/myTrades", "id")
        status, account = line.insist("GET", "/api/v3/account")
    assert status == 200
    ids = [order["clientOrderId"] for order in orders]
    mistakes = [f"{name} is there twice" for name in set(ids) if ids.count(name) > 1]
    mistakes += [f"{name} was acknowledged and is lost" for name in (told["placed"] | told["found"]) - set(ids)]
    mistakes += [f"{name} was not placed and is there" for name in (told["absent"] | told["refused"]) & set(ids)]
    # The last order of a trader may have been sent when it was told to end: all others are accounted for.
    mistakes += [f"{name} is nobody's" for name in set(ids) - told["placed"] - told["found"]]
    mistakes += _money(account, orders, trades)
    mistakes += [f"a pause of {pause:.1f} s" for pause in pauses if pause > WITHIN_S]
    counts = {word: len(names) for word, names in told.items()}
    return Seen(
        kills=len(moments),
        in_mid_order=sum(cut),
        longest_pause_s=round(max(pauses), 2),
        mistakes=tuple(mistakes),
        **counts,
    )


def _next(rows: list[list[str]], moment: float, word: str) -> float:
    """When a trader next noted this word."""
    return next((float(row[0]) for row in rows if float(row[0]) > moment and row[1] == word), math.inf)


def _all(line: Line, path: str, key: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    cursor = {"orderId": "orderId", "id": "fromId"}[key]
    while True:
        after = int(rows[-1][key]) + 1 if rows else 0
        status, page = line.insist("GET", path, symbol="BTCUSDT", limit=1000, **{cursor: after})
        assert status == 200, page
        if not page:
            return rows
        rows += page


def _money(account: dict[str, Any], orders: list[dict[str, str]], trades: list[dict[str, str]]) -> list[str]:
    """What does not add up: fills against orders, balances against trades, locks against open orders."""
    wrong: list[str] = []
    filled: dict[str, Decimal] = {}
    owned = {"USDT": START_BALANCES["USDT"], "BTC": START_BALANCES["BTC"]}
    for trade in trades:
        filled[trade["orderId"]] = filled.get(trade["orderId"], Decimal(0)) + Decimal(trade["qty"])
        sign = 1 if trade["isBuyer"] else -1
        owned["BTC"] += sign * Decimal(trade["qty"])
        owned["USDT"] -= sign * Decimal(trade["quoteQty"])
        owned[trade["commissionAsset"]] -= Decimal(trade["commission"])
    wrong += [
        f"order {order['clientOrderId']} and its trades differ"
        for order in orders
        if filled.get(order["orderId"], Decimal(0)) != Decimal(order["executedQty"])
    ]
    held = {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in account["balances"]}
    locked = sum(Decimal(order["price"]) * Decimal(order["origQty"]) for order in orders if order["status"] == "NEW")
    wrong += [
        f"{asset}: {held[asset]} held, {amount} traded" for asset, amount in owned.items() if sum(held[asset]) != amount
    ]
    if held["USDT"][1] != locked:
        wrong.append(f"{held['USDT'][1]} USDT locked, {locked} in open orders")
    return wrong


def main() -> None:
    """`trade HOME NAME LOG ENDED` is one trader; a number is how many kills to rehearse."""
    if sys.argv[1] == "trade":
        home, name, log, ended = sys.argv[2:]
        trade(Path(home), name, Path(log), Path(ended))
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "home"
        try:
            print(rehearse(place, kills=int(sys.argv[1]), seed=7))
        finally:
            stop(place)
            assert find(place) is None


if __name__ == "__main__":
    main()
