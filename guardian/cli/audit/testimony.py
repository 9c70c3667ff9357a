"""What the exchange testifies of guardian's own orders, for `guardian audit verify --with-exchange` and `reconcile`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.opened_home import with_home
from guardian.cli.support.render import Tone, Toned, fields, say
from guardian.domain.text.plain_data import to_plain
from guardian.errors import CredentialsError, ExchangeError, PolicyInvalid, StoreError

if TYPE_CHECKING:
    from guardian.gate.witness.comparison import Disagreement
    from guardian.gate.witness.witnesses import Witnessed
    from guardian.home.opened import OpenedHome

_MOST_NAMED: Final = 5
_WORDS: Final = {
    "not_in_log": "the exchange has it, and guardian's log has no row of it",
    "not_at_exchange": "guardian's log says that it was sent, and the exchange does not know it",
    "terms": "it is not the order that was sent",
    "state": "it ended differently",
    "fills": "what was executed differs",
    "fees": "the fees differ",
    "time": "the times differ by more than 10 s",
}


@dataclass(frozen=True, slots=True)
class HeardExchange:
    """What the exchange said; or why it could not be asked."""

    witnessed: Witnessed | None
    why: str | None = None

    @property
    def exit_code(self) -> int:
        """0: it agrees. 1: it does not. 3: it could not be asked, or not of everything."""
        if self.witnessed is None:
            return COULD_NOT_TELL
        if self.witnessed.disagreements:
            return NO
        return COULD_NOT_TELL if self.witnessed.unasked else FINE

    def as_dict(self) -> object:
        """Returns it as JSON data."""
        return {"result": "not asked", "why": self.why} if self.witnessed is None else to_plain(self.witnessed)

    def print(self) -> None:
        """Prints the counts, and says each disagreement in words."""
        found = self.witnessed
        if found is None:
            say(f"the exchange could not be asked: {self.why}", Tone.WAITING)
            return
        shown: list[tuple[str, object]] = [
            ("exchange", f"{found.environment.upper()}, account {found.account}, {', '.join(found.symbols) or 'none'}"),
            ("orders that both have", found.orders),
            ("executions", found.executions),
            ("not guardian's", f"{found.foreign}, not looked at"),
            ("testimony", _result(found)),
        ]
        fields(shown)
        for one in found.disagreements:
            say(disagreement_text(one), Tone.BAD)
        for symbol in found.unasked:
            say(f"not looked at: {symbol.symbol}: {symbol.why}", Tone.WAITING)
        if found.behind:
            say(f"moved on since guardian last asked: {_named(found.behind)}; `guardian audit reconcile` catches up")
        if found.unresolved:
            say(f"not known at the exchange, and not resolved yet: {_named(found.unresolved)}", Tone.WAITING)
        if found.fees_unknown:
            say(f"{found.fees_unknown} executed orders whose fees the log does not have yet")
        if found.left_lists:
            say(f"{found.left_lists} orders without a fill are so old that the exchange has forgotten them")


def heard(policy_path: Path | None) -> HeardExchange:
    """Ask the exchange about all of guardian's own orders. Raises nothing: what fails is in the testimony."""

    async def work(opened: OpenedHome) -> Witnessed:
        from guardian.gate.witness.witnesses import ExchangeWitness

        return await ExchangeWitness(opened.context).testify()

    try:
        return HeardExchange(with_home(policy_path, work, needs_policy=False))
    except (ExchangeError, CredentialsError, StoreError, PolicyInvalid) as error:
        return HeardExchange(None, error.message)


def disagreement_text(one: Disagreement) -> str:
    """Returns one disagreement in words: which order, in what, and what each side says."""
    number = "" if one.order_id is None else f" (exchange id {one.order_id})"
    sides = ", ".join(
        f"{name} has {value}" for name, value in (("guardian", one.log), ("the exchange", one.exchange)) if value
    )
    text = f"{one.kind.value}: {one.symbol} {one.client_order_id}{number}: {_WORDS[one.kind.value]}"
    return f"{text}: {sides}" if sides else text


def _result(found: Witnessed) -> Toned:
    if found.disagreements:
        return Toned(f"{len(found.disagreements)} DISAGREEMENTS", Tone.BAD)
    if found.unasked:
        return Toned(f"COULD NOT TELL for {', '.join(one.symbol for one in found.unasked)}", Tone.WAITING)
    return Toned("AGREES", Tone.GOOD)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
