"""`guardian paper`: the paper exchange alone, for any client that speaks Binance's REST protocol."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.support.render import print_line, say

if TYPE_CHECKING:
    from guardian.paper.host.standalone import Serving

_FILE = click.Path(path_type=Path, dir_okay=False)
_READ = click.Path(path_type=Path, dir_okay=False, exists=True)
_COUNT = click.IntRange(1)
_FASTEST = 1000

FAULTS = """\b
Faults to rehearse with (--fault, several times if wanted; none unless given):
  delay,seconds=2               the reply comes late
  hang,seconds=60               no reply, then it is closed; nothing is done
  reply_lost                    done, and no reply
  reset_before, reset_after     the connection is reset before/after the work
  status,status=503             a 5xx; with execute=yes the work is done
  timeout_1007                  done, and -1007 "execution status unknown"
  html_502, html_403            a broken gateway; the firewall
  empty_200, bad_json           done, and 200 with no body or half of one
  retry_after_429, ban_418      come later; banned
  not_found_2013                the order is not known, once
  unseen_2013,seconds=3         an order is not known for its first 3 seconds
  partial_fill                  half fills, then the rest is cancelled
  clock_skew,seconds=-5         the exchange's clock is 5 seconds behind
Each is meant for one `POST /api/v3/order` (those of -2013 for GET),
unless it says otherwise:
  times=3 or times=always, skip=2, method=GET, path=/api/v3/account,
  method=*,path=*

\b
Examples:
  guardian paper
  guardian paper --state rehearsal.db --seed 7
  guardian paper --replay btcusdt.gz --speed 10
  guardian paper --fault reply_lost --fault unseen_2013,seconds=5
  guardian paper --max-weight 100 --max-orders 3
  guardian paper --control-port 18081
  curl -H "Authorization: Bearer TOKEN" -d '{"fault": "html_502,times=2"}' \\
      http://127.0.0.1:18081/fault
"""


def _check_speed(_ctx: click.Context, _parameter: click.Parameter, text: str) -> Decimal:
    try:
        speed = Decimal(text)
    except InvalidOperation:
        speed = Decimal("NaN")
    if not speed.is_finite() or not Decimal("0.001") <= speed <= _FASTEST:
        raise click.BadParameter(f"`{text}` is not a number from 0.001 to {_FASTEST}")
    return speed


def _check_faults(_ctx: click.Context, _parameter: click.Parameter, specs: tuple[str, ...]) -> tuple[str, ...]:
    from guardian.paper.rest.faults import read_spec

    for spec in specs:
        try:
            read_spec(spec)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return specs


@click.command(epilog=FAULTS)
@click.option("--host", default="127.0.0.1", show_default=True, help="Only loopback is taken.")
@click.option("--port", type=click.IntRange(0, 65535), default=18080, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same market.")
@click.option("--state", type=_FILE, help="Keep balances and orders in this file. Without it they are gone at the end.")
@click.option("--replay", type=_READ, help="Play a recorded market (gzip or plain) in place of the seeded one.")
@click.option(
    "--speed",
    metavar="NUMBER",
    callback=_check_speed,
    default="1",
    show_default=True,
    help="How many times as fast as recorded.",
)
@click.option("--fault", "faults", multiple=True, callback=_check_faults, help="Let something go wrong; see below.")
@click.option(
    "--control-port", type=click.IntRange(0, 65535), help="Serve the control endpoint here; 0 takes a free port."
)
@click.option(
    "--public-key", "public_keys", type=_READ, multiple=True, help="Take Ed25519 or RSA signatures of this PEM."
)
@click.option("--max-weight", type=_COUNT, help="Request weight a minute.  [default: 6000, as Binance]")
@click.option("--max-orders", type=_COUNT, help="Unfilled orders in 10 seconds.  [default: 100, as Binance]")
@click.option("--max-orders-a-day", type=_COUNT, help="Unfilled orders a day.  [default: 200000, as Binance]")
def command(
    host: str,
    port: int,
    seed: int,
    state: Path | None,
    replay: Path | None,
    speed: Decimal,
    faults: tuple[str, ...],
    control_port: int | None,
    public_keys: tuple[Path, ...],
    max_weight: int | None,
    max_orders: int | None,
    max_orders_a_day: int | None,
) -> None:
    """Run the paper exchange alone, until Ctrl-C.

    It prints its address and the keys to use (they guard nothing): give them to any Binance client in place of
    https://api.binance.com and your own. Guardian itself needs none of this: under `environment = "paper"` it starts
    and finds its own.

    A capture (--replay) has one event a line: the receive time in nanoseconds, a space, and the JSON of a depth
    snapshot, a depthUpdate, a bookTicker or a trade of one symbol. It is played from its beginning when the exchange
    starts; at its end prices stop moving. The other symbols stay seeded.
    """
    from guardian.paper.host.standalone import Rehearsal, serve
    from guardian.paper.rest.rate_limits import RateLimitSettings

    asked = {
        "weight_per_minute": max_weight,
        "orders_per_10_seconds": max_orders,
        "orders_per_day": max_orders_a_day,
    }
    rehearsal = Rehearsal(
        limits=RateLimitSettings(**{name: limit for name, limit in asked.items() if limit is not None}),
        faults=faults,
        control_port=control_port,
        replay=replay,
        speed=speed,
        public_keys=public_keys,
    )
    serve(host, port, seed, state, rehearsal=rehearsal, on_ready=_print_access)


def _print_access(exchange: Serving) -> None:
    # These keys guard nothing: they are of play money on this machine, and a client needs them to be pointed here.
    rows = [
        ("url", exchange.url),
        ("api_key", exchange.api_key.reveal()),
        ("api_secret", exchange.api_secret.reveal()),
        *((f"api_key of {name}", key.reveal()) for name, key in exchange.other_keys),
    ]
    if exchange.control_url is not None and exchange.control_token is not None:
        rows += [("control_url", exchange.control_url), ("control_token", exchange.control_token.reveal())]
    for name, value in rows:
        print_line(f"{name:<11} {value}")
    sys.stdout.flush()
    if exchange.replay_end is not None:
        end = datetime.fromtimestamp(exchange.replay_end / 1000, UTC)
        say(f"the recorded market plays until {end:%H:%M:%S} UTC and then stops moving")
    say("the paper exchange is up; Ctrl-C ends it")
