"""The answer of a judgement: a decision, and every rule that said no."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from guardian.domain.codes import Code
from guardian.domain.orders import ResolvedOrder


class Decision(StrEnum):
    """`deny > confirm > allow`: the strictest wins."""

    ALLOW = "allow"
    CONFIRM = "confirm"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One rule's no: its code, a sentence, what was seen, what the limit is, and what would pass."""

    code: Code
    message: str
    observed: str | None = None
    limit: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A decision with its reasons. For an order also what would be sent and what it counts for.

    `order` and `notional` are None where they are unknown, which always comes with a denial.
    """

    decision: Decision
    denials: tuple[Denial, ...] = ()
    order: ResolvedOrder | None = None
    notional: Decimal | None = None
    """The worst case in the accounting currency, rounded up at the eighth digit."""
    quote_notional: Decimal | None = None
    """The worst case in the quote asset."""
    is_exit: bool = False
    """A SELL of no more than guardian bought, has neither sold nor offered, and the account has free."""
    mandate_id: str | None = None
    """The session mandate that takes the place of a person's confirmation."""

    def denied_by(self, code: Code) -> bool:
        """Whether this code is among the denials."""
        return any(denial.code is code for denial in self.denials)
