"""What would make live unsafe: each refuses with a sentence of its own, and nothing is sent to the exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from guardian.domain.codes import Code
from guardian.domain.secrets import KeyFamily
from guardian.policy.permissions import FRESH_MS
from tests.live.home import LiveHome
from tests.support.present import present

pytestmark = pytest.mark.anyio

PERMISSIONS = "/sapi/v1/account/apiRestrictions"
Deed = Callable[[LiveHome], Awaitable[None] | None]


@dataclass(frozen=True, kw_only=True)
class Danger:
    """One thing that is wrong in an otherwise ready home: what brings it about, and what guardian says."""

    name: str
    does: Deed
    code: Code
    says: str
    instead_of_ready: bool = False
    """Whether it is done instead of getting ready, and not after it."""


def permissions(**fields: object) -> Deed:
    return lambda home: home.play.controls.set_permissions(**fields)


def edit(*changes: dict[str, Any]) -> Deed:
    return lambda home: home.policy(*changes)


async def without_approval(home: LiveHome) -> None:
    home.pin()
    await home.arm()


async def never_armed(home: LiveHome) -> None:
    home.pin()
    home.approve()


async def mandate_over(home: LiveHome) -> None:
    await home.arm(lasts_ms=1)


async def stale_permissions(home: LiveHome) -> None:
    """They were read by this process, six hours ago; and now they cannot be read again."""
    home.play.controls.set_permissions()
    assert (await home.buy(price="59000")).error is None
    checks = home.guardian.gate.context.key_checks
    for exchange, reading in checks.readings.items():
        checks.readings[exchange] = replace(reading, read_ms=reading.read_ms - FRESH_MS)
    home.play.controls.fault("GET", PERMISSIONS, "html_502", times=1000)


def waiting(home: LiveHome) -> None:
    """A policy with a larger cap that the owner approved, and whose time has not come."""
    slow = {"live": {"loosening_delay": "10m"}}
    home.policy(slow, {"symbols": {"BTCUSDT": {"max_notional": "50"}}})
    with home.guardian.journal.transaction() as tx:
        home.guardian.policy_file.current()
        home.guardian.policy_file.look(tx, adopts=True)
    home.policy(slow)
    approved = home.approve()
    assert approved.effective_ms - approved.approved_ms == 600_000
    with home.guardian.journal.transaction() as tx:
        assert home.guardian.policy_file.why_unapproved(tx, home.guardian.policy_file.current().policy) is None


def no_key_of_live(home: LiveHome) -> None:
    """The keyring's item of live holds the key of another environment."""
    keyring = home.play.keyring()
    other = replace(home.play.pair, environment="testnet")
    keyring.put(other)
    connector: Any = home.guardian.connector
    connector._read_keys = lambda: (keyring.get("testnet", KeyFamily.SPOT), None)
    connector._connection = None


def disarmed(home: LiveHome) -> None:
    from guardian.gate.owner.session_mandate import disarm

    assert disarm(home.guardian.journal) == 1


DANGERS = [
    Danger(
        name="policy never approved",
        does=without_approval,
        code=Code.POLICY_NOT_APPROVED,
        says="no policy was ever approved for it",
        instead_of_ready=True,
    ),
    Danger(
        name="policy looser in one key and tighter in another",
        does=edit({"limits": {"max_open_orders": 9, "max_daily_loss": "1"}}),
        code=Code.POLICY_NOT_APPROVED,
        says="looser than the approved one in `limits.max_open_orders`",
    ),
    Danger(
        name="looser policy whose time has not come",
        does=waiting,
        code=Code.NOTIONAL_EXCEEDS_MAX,
        says="the order costs too much at worst",
    ),
    Danger(
        name="withdrawals on",
        does=permissions(enableWithdrawals=True),
        code=Code.LIVE_KEYS_UNSAFE,
        says="the key may withdraw to any address",
    ),
    Danger(
        name="internal transfer on",
        does=permissions(enableInternalTransfer=True),
        code=Code.LIVE_KEYS_UNSAFE,
        says="the key may transfer to other accounts",
    ),
    Danger(
        name="universal transfer on",
        does=permissions(permitsUniversalTransfer=True),
        code=Code.LIVE_KEYS_UNSAFE,
        says="the key may transfer between wallets",
    ),
    Danger(
        name="unknown permission on",
        does=permissions(enableTeleport=True),
        code=Code.LIVE_KEYS_UNSAFE,
        says="`enableTeleport` is on, which this version of guardian does not know",
    ),
    Danger(
        name="permission that the policy does not admit",
        does=permissions(enableMargin=True),
        code=Code.LIVE_KEYS_UNSAFE,
        says="`enableMargin` is on, and `[live] allow_permissions` of the policy does not list",
    ),
    Danger(
        name="permission missing in the answer",
        does=permissions(enableWithdrawals=None),
        code=Code.LIVE_KEYS_UNSAFE,
        says="does not say whether `enableWithdrawals` is on",
    ),
    Danger(
        name="key that may not trade",
        does=permissions(enableSpotAndMarginTrading=False),
        code=Code.LIVE_KEYS_UNSAFE,
        says="the key may not trade spot",
    ),
    Danger(
        name="permissions unreadable",
        does=lambda home: home.play.controls.fault(
            "GET", PERMISSIONS, "status", times=9, status=400, body='{"code":-1}'
        ),
        code=Code.LIVE_KEYS_UNCHECKED,
        says="what the key of `live` may do is not known: the exchange refused the request",
    ),
    Danger(
        name="permissions read too long ago",
        does=stale_permissions,
        code=Code.LIVE_KEYS_UNCHECKED,
        says="what the key of `live` may do is not known: the exchange answered with HTTP status 502",
    ),
    Danger(
        name="no proof set up",
        does=lambda home: home.pin(is_set=False),
        code=Code.LIVE_PROOF_MISSING,
        says="a pin is demanded, and none is set up",
    ),
    Danger(
        name="answer at a terminal as proof",
        does=edit({"confirmation": {"proof": "terminal"}}),
        code=Code.POLICY_INVALID,
        says='`confirmation.proof`: "terminal" is refused on live',
    ),
    Danger(
        name="token in the chat",
        does=edit({"confirmation": {"channel": "chat", "proof": "terminal"}}),
        code=Code.POLICY_INVALID,
        says='`confirmation.channel`: "chat" is refused on live',
    ),
    Danger(
        name="answer of the client",
        does=edit({"confirmation": {"channel": "elicit", "proof": "terminal"}}),
        code=Code.POLICY_INVALID,
        says='`confirmation.channel`: "elicit" is refused on live',
    ),
    Danger(
        name="never armed",
        does=never_armed,
        code=Code.LIVE_NOT_ARMED,
        says="nobody has armed it",
        instead_of_ready=True,
    ),
    Danger(
        name="mandate over",
        does=mandate_over,
        code=Code.LIVE_NOT_ARMED,
        says="the session mandate has ended: its time is over",
    ),
    Danger(
        name="disarmed",
        does=disarmed,
        code=Code.LIVE_NOT_ARMED,
        says="the session mandate has ended: disarmed by the owner",
    ),
    Danger(
        name="key of another environment",
        does=no_key_of_live,
        code=Code.CREDENTIALS_MISSING,
        says="a key pair of another environment or family was given",
    ),
]


@pytest.mark.parametrize("danger", DANGERS, ids=lambda danger: danger.name)
async def test_danger_refuses_with_its_own_sentence_and_nothing_is_sent(home: LiveHome, danger: Danger) -> None:
    """The code and the sentence are the danger's own; the exchange gets no order."""
    if not danger.instead_of_ready:
        await home.ready()
    done = danger.does(home)
    if done is not None:
        await done
    before = len(home.play.controls.orders_received())
    reply = await home.buy()
    error = present(reply.error)
    found = [one.message for one in error.denials if one.code is danger.code] or [error.message]
    assert danger.code in {error.code, *(one.code for one in error.denials)}, error
    assert danger.says in found[0], error
    assert len(home.play.controls.orders_received()) == before


def test_each_danger_has_its_own_sentence() -> None:
    """No two of them read the same, and there are more than ten."""
    assert len({danger.says for danger in DANGERS}) == len(DANGERS) >= 10


async def test_ready_home_creates_the_order_that_every_danger_is_tried_with(home: LiveHome) -> None:
    """The dangers are what is refused, and not the order."""
    await home.ready()
    assert (await home.buy()).error is None
    assert len(home.play.controls.orders_received()) == 1
