"""The stored keys: whether the policy's environment has one, and whether each works at the exchange."""

from __future__ import annotations

from collections.abc import Iterator

from guardian.cli.doctor.examined import Examined
from guardian.cli.doctor.findings import Finding, ok, problem, unclear
from guardian.cli.keys.slots import KEY_PAGES, as_arguments, described
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, ExchangeError, KeyringUnavailable


def check_keys(examined: Examined) -> Iterator[Finding]:
    """The environment of the policy has a key that works and, on `live`, can do no more than it must."""
    wanted = None if examined.policy is None else examined.policy.environment
    if wanted is Environment.PAPER:
        yield ok("keys", "`paper` needs no key")
    try:
        store = examined.open_keys(examined.home)
        pairs = {}
        for slot in KEY_PAGES:
            try:
                pairs[slot] = store.get(*slot)
            except KeyringUnavailable:
                raise
            except CredentialsError as error:
                yield problem("keys", f"{described(slot)}: {error.message}", error.hint)
    except KeyringUnavailable as error:
        if wanted is not Environment.PAPER:
            yield unclear("keys", f"the keys cannot be read: {error.message}", error.hint)
        return
    for slot, pair in pairs.items():
        if pair is None:
            if slot[0] is wanted and slot == next(one for one in KEY_PAGES if one[0] is wanted):
                remedy = f"`guardian keys add {as_arguments(slot)}`"
                yield problem("keys", f"there is no {described(slot)} key, which the policy needs", remedy)
            continue
        try:
            works, problems = examined.ask_key(pair, examined.policy)
        except ExchangeError as error:
            yield unclear("keys", f"the {described(slot)} key could not be tried: {error.message}", error.hint)
            continue
        if works and not problems:
            yield ok("keys", f"the {described(slot)} key works")
        for text in problems or (() if works else ("the exchange refuses it",)):
            remedy = (
                f"`guardian keys check {as_arguments(slot)}` says more; `guardian keys rotate {as_arguments(slot)}`"
            )
            yield problem("keys", f"the {described(slot)} key: {text}", remedy)
