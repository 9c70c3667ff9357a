"""Warnings: what a valid policy says that can never take effect, or that will deny more than its owner may expect.

A warning is no mistake: the policy is in force all the same. Each is certain from the file alone. Symbols are taken
apart by how they are spelt, as there is no exchange to ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import plain
from guardian.domain.orders import OrderSide
from guardian.policy.loading.examples import split_symbol
from guardian.policy.model import Accounting, Policy
from guardian.policy.prices import percent_text

FEE_ASSET: Final = "BNB"
"""The asset of Binance's fees where the account has some and the discount is on, which it is by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWarning:
    """One warning: the dotted key, what follows from it, and what to write instead."""

    key: str
    message: str
    hint: str


def policy_warnings(policy: Policy) -> tuple[PolicyWarning, ...]:
    """Returns every warning about a policy; none where it lists no symbol, since then no order passes anyway."""
    return tuple(_warnings(policy)) if policy.symbols else ()


def _warnings(policy: Policy) -> Iterator[PolicyWarning]:
    yield from _conversions(policy)
    rolling = [(window.window_ms, window.maximum) for window in policy.limits.rolling_notional]
    counts = [(window.window_ms, Decimal(window.maximum)) for window in policy.limits.max_orders]
    yield from _windows("limits.rolling_notional", rolling)
    yield from _windows("limits.max_orders", counts)
    yield from _collar(policy)
    yield from _symbols(policy)


def _conversions(policy: Policy) -> Iterator[PolicyWarning]:
    """Paths that do not arrive at the currency, and assets that orders or fees are paid in without a path."""
    accounting = policy.accounting
    for asset in accounting.conversions:
        problem = _path_problem(asset, accounting)
        if problem is not None:
            yield PolicyWarning(
                key=f"accounting.conversions.{asset}",
                message=f"what is paid in {asset} cannot be counted: {problem}",
                hint=f"give every step on the way from {asset} to {accounting.currency} a symbol",
            )
    if FEE_ASSET not in {accounting.currency, *accounting.conversions}:
        yield PolicyWarning(
            key="accounting.conversions",
            message=f"it has no symbol for {FEE_ASSET}: once fees are paid in {FEE_ASSET} the daily loss is not known, "
            "and every order but an exit is denied",
            hint=f'add `{FEE_ASSET} = "{FEE_ASSET}{accounting.currency}"`',
        )
    known = {accounting.currency, *accounting.conversions}
    for symbol in policy.symbols:
        if not any(symbol.endswith(asset) and symbol != asset for asset in known):
            yield PolicyWarning(
                key=f"symbols.{symbol}",
                message=f"`accounting.conversions` has no symbol for its quote asset: every order of {symbol} "
                "but an exit is denied",
                hint=f"add how its quote asset becomes {accounting.currency}",
            )


def _path_problem(asset: str, accounting: Accounting) -> str | None:
    """Returns why the declared path from an asset does not arrive at the currency; None where it does."""
    seen = {asset}
    while asset != accounting.currency:
        symbol = accounting.conversions.get(asset)
        if symbol is None:
            return f"its path leads to {asset}, which has no symbol"
        base, quote = split_symbol(symbol, asset)
        asset = quote if asset == base else base
        if asset in seen:
            return f"its path through {symbol} goes in a circle"
        seen.add(asset)
    return None


def _windows(key: str, windows: list[tuple[int, Decimal]]) -> Iterator[PolicyWarning]:
    """Yields a warning for a longer window that allows no more than a shorter one: the shorter one never denies."""
    for length, most in windows:
        tighter = [window for window in windows if window[0] > length and window[1] <= most]
        if tighter:
            longer, bound = min(tighter)
            yield PolicyWarning(
                key=key,
                message=f"the {duration_text(length)} limit of {plain(most)} can never take effect: "
                f"within {duration_text(longer)} no more than {plain(bound)} passes",
                hint="give the longer window the larger limit, or leave the shorter one out",
            )


def _collar(policy: Policy) -> Iterator[PolicyWarning]:
    prices = policy.prices
    if prices.collar < prices.market_buffer:
        yield PolicyWarning(
            key="prices.collar",
            message=f"no MARKET order passes: it is sent up to {percent_text(prices.market_buffer)} from the market, "
            f"the `market_buffer`, and the collar admits {percent_text(prices.collar)}",
            hint=f'write market_buffer = "{percent_text(prices.collar)}" or less, or a wider collar',
        )


def _symbols(policy: Policy) -> Iterator[PolicyWarning]:
    """Caps of one symbol that a cap over all symbols, or another cap of the symbol, is tighter than."""
    for symbol, limits in policy.symbols.items():
        key, tightest = min(_caps_over_all(policy).items(), key=lambda cap: cap[1])
        if limits.max_notional > tightest:
            yield PolicyWarning(
                key=f"symbols.{symbol}.max_notional",
                message=f"no order of more than {plain(tightest)} passes but an exit: that is the limit of {key}",
                hint=f'write max_notional = "{plain(tightest)}" or less, or a larger limit there',
            )
        if OrderSide.BUY in limits.sides and limits.max_quantity > limits.max_position:
            yield PolicyWarning(
                key=f"symbols.{symbol}.max_quantity",
                message=f"no BUY of more than {plain(limits.max_position)} passes: that is the `max_position`",
                hint=f'write max_quantity = "{plain(limits.max_position)}" or less, or a larger max_position',
            )


def _caps_over_all(policy: Policy) -> Mapping[str, Decimal]:
    """By what to call it: each cap that a single order can exceed by itself."""
    rolling = {
        f"`limits.rolling_notional` for {duration_text(window.window_ms)}": window.maximum
        for window in policy.limits.rolling_notional
    }
    return {"`limits.max_open_notional`": policy.limits.max_open_notional, **rolling}
