"""Balances: what is free, what orders lock, and what the exchange has kept. Every move is exact and adds up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from guardian.domain.money import ZERO, minus, plus
from guardian.paper.engine.orders import Balance


class Ledger:
    """The balances of the one account. No balance ever goes below zero."""

    def __init__(self, balances: Iterable[Balance] = ()) -> None:
        self._balances = {balance.asset: balance for balance in balances}

    def __iter__(self) -> Iterator[Balance]:
        return iter(tuple(self._balances.values()))

    def of(self, asset: str) -> Balance:
        """Returns the balance of an asset; zero where it is missing."""
        return self._balances.get(asset) or Balance(asset=asset)

    def move(self, asset: str, *, free: Decimal = ZERO, locked: Decimal = ZERO, fees: Decimal = ZERO) -> Balance:
        """Adds the (signed) amounts to the asset's balance and gives the new one."""
        old = self.of(asset)
        new = replace(old, free=plus(old.free, free), locked=plus(old.locked, locked), fees=plus(old.fees, fees))
        assert new.free >= 0, f"{asset} would be overdrawn"
        assert new.locked >= 0, f"more {asset} would be released than is locked"
        self._balances[asset] = new
        return new

    def set_free(self, asset: str, free: Decimal) -> Balance:
        """Makes the free amount this one."""
        return self.move(asset, free=minus(free, self.of(asset).free))
