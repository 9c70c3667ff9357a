"""Tries a key at the exchange: one signed read, with that key alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from guardian.cli.keys.account.permissions_row import allowed_permissions, note_permissions
from guardian.domain.requests import GetPositionInfo
from guardian.domain.secrets import ApiKeyPair, KeyFamily
from guardian.domain.trading import Environment
from guardian.errors import ExchangeRejected, NotSent
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.exchange import Exchange
from guardian.policy.permissions import ExtraPermission, KeyJudgement, judge_permissions
from guardian.system.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from guardian.domain.accounts import KeyPermissions
    from guardian.exchange.network import Network

_KEY_REFUSED: Final = frozenset({-1022, -2008, -2014, -2015})
"""Codes that are about the key: its signature, its environment, its form, its permissions or its addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswer:
    """What the exchange answered to one key."""

    works: bool
    account: str | None = None
    """The account of the key, where it works and the exchange names one."""
    problems: tuple[str, ...] = ()
    """Why it does not work or, on `live`, which permissions make it unsafe."""
    warnings: tuple[str, ...] = ()
    permissions: KeyPermissions | None = None
    """What it may do, where that was read."""


def try_key(pair: ApiKeyPair, *, network: Network | None = None) -> KeyAnswer:
    """Returns what the exchange answers to a signed read with this key; on `live` its permissions are read too.

    They are judged by the policy of the home, and the log has the answer. Not within an event loop. `network` is given
    by tests alone; see `guardian.exchange.network`. Raises ExchangeError where the exchange gave no answer about the
    key.
    """
    allowed = allowed_permissions() if pair.environment == Environment.LIVE else ()
    answer = asyncio.run(ask_exchange(pair, allowed, network))
    if answer.permissions is not None:
        note_permissions(answer.permissions, KeyJudgement(problems=answer.problems, warnings=answer.warnings))
    return answer


async def ask_exchange(pair: ApiKeyPair, allowed: Collection[ExtraPermission], network: Network | None) -> KeyAnswer:
    """Asks with this key alone; nothing is written. Raises ExchangeError."""
    is_futures = pair.environment == Environment.TESTNET and pair.family is KeyFamily.FUTURES
    exchange = Exchange(
        EnvironmentSpec(environment=Environment(pair.environment)),
        spot=None if is_futures else pair,
        futures=pair if is_futures else None,
        clock=SYSTEM_CLOCK,
        network=network,
    )
    try:
        if is_futures:
            await exchange.positions(GetPositionInfo())
            return KeyAnswer(works=True)
        account = await exchange.account_name()
        if exchange.environment is not Environment.LIVE:
            return KeyAnswer(works=True, account=account)
        found = await exchange.key_permissions()
        judgement = judge_permissions(found, allowed=allowed, now_ms=SYSTEM_CLOCK.now_ms())
        return KeyAnswer(
            works=True,
            account=account,
            problems=judgement.problems,
            warnings=judgement.warnings,
            permissions=found,
        )
    except NotSent as error:
        return KeyAnswer(works=False, problems=(error.message,))
    except ExchangeRejected as error:
        if error.code not in _KEY_REFUSED:
            raise
        refused = error
    finally:
        await exchange.close()
    reason = f"the exchange refuses it ({refused.code}: {refused.text!r})"
    return KeyAnswer(works=False, problems=(reason, *((refused.hint,) if refused.hint else ())))
