"""What amounts were worth in the accounting currency when guardian learnt of them, by prices that the log has. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from guardian.domain.money import ONE, round_down, times


@dataclass(frozen=True, slots=True)
class PricePoint:
    """What one unit of an asset was worth in the accounting currency at a time, in ms since the epoch."""

    time_ms: int
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The prices of assets in the accounting currency, by asset, each list oldest first."""

    currency: str
    points: Mapping[str, Sequence[PricePoint]] = field(default_factory=dict)

    def rate(self, asset: str, time_ms: int) -> Decimal | None:
        """Returns the newest price of an asset at that time, else the first after it; None without any."""
        if asset == self.currency:
            return ONE
        points = self.points.get(asset)
        if not points:
            return None
        at = bisect_right(points, time_ms, key=_time_of)
        return points[max(at - 1, 0)].price

    def worth(self, asset: str, amount: Decimal, time_ms: int) -> Decimal | None:
        """Returns what an amount of either sign was worth, rounded towards zero at the eighth digit; None if unknown.

        Nothing is worth nothing, whatever the price. In the currency itself it is exact.
        """
        if asset == self.currency or not amount:
            return amount
        rate = self.rate(asset, time_ms)
        return None if rate is None else round_down(times(amount, rate))


def _time_of(point: PricePoint) -> int:
    return point.time_ms
