"""Compares two policies key by key: what is looser in the later one, and what is tighter.

A key counts as looser unless its new value lets nothing through that the old one did not, whatever the order and the
past are. That is cautious on purpose: a few keys are looser in either direction, and a key that is not known here is
looser whenever it changes. What each direction does to an order is checked against the engine by a property.

Two things are left aside, as no assistant gains by them. An order that a person confirmed belongs to the policy it was
confirmed under, and is denied under any other. And taking a symbol away frees exits of it from its caps: exits are
never trapped, and each of these is put before a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import plain
from guardian.domain.owner.proof import Proof
from guardian.policy.model import Channel, CountWindow, NotionalWindow, Policy, SymbolLimits
from guardian.policy.prices import percent_text


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """One key that differs: its dotted name in the file, and both values as the file writes them."""

    key: str
    before: str
    after: str
    why: str | None = None
    """Why it counts as looser, where the two values do not show it."""

    def __str__(self) -> str:
        reason = "" if self.why is None else f" ({self.why})"
        return f"`{self.key}` goes from {self.before} to {self.after}{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyComparison:
    """What a later policy changes. Keys that no order depends on, such as `reason` and the examples, are in neither."""

    looser: tuple[KeyChange, ...] = ()
    tighter: tuple[KeyChange, ...] = ()

    @property
    def is_purely_looser(self) -> bool:
        """Whether the earlier policy is the tighter one in everything, so that it can stay in force meanwhile."""
        return bool(self.looser) and not self.tighter


def compare_policies(before: Policy, after: Policy) -> PolicyComparison:
    """Returns what is looser and what is tighter in `after`, in the order of the file."""
    changes = tuple(_changes(before, after))
    return PolicyComparison(
        looser=tuple(change for change, is_tighter in changes if not is_tighter),
        tighter=tuple(change for change, is_tighter in changes if is_tighter),
    )


_Change = tuple[KeyChange, bool]
"""A change, and whether it is surely tighter."""
_Windows = Sequence[NotionalWindow | CountWindow]
_Order = Callable[[Any, Any], bool]
"""Whether the second value is surely tighter than the first, from which it differs."""


def _lower(before: Any, after: Any) -> bool:  # noqa: ANN401 -- one field's value, whatever its type
    return bool(after < before)


def _higher(before: Any, after: Any) -> bool:  # noqa: ANN401 -- as above
    return bool(after > before)


def _fewer(before: frozenset[object], after: frozenset[object]) -> bool:
    return after < before


def _switched_off(_before: bool, after: bool) -> bool:
    return not after


def _never(_before: object, _after: object) -> bool:
    return False


def _to_terminal(_before: Channel, after: Channel) -> bool:
    """An elicitation ranks with a token in the chat, as the client could answer by itself."""
    return after is Channel.TERMINAL


def _stronger_proof(before: Proof, after: Proof) -> bool:
    return after.strength > before.strength


def _windows(before: _Windows, after: _Windows) -> bool:
    """Whether each old window is implied by a new one: one as long or longer that allows as much or less."""
    return all(any(new.window_ms >= old.window_ms and new.maximum <= old.maximum for new in after) for old in before)


def _amount(value: Decimal | int) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


def _names(value: frozenset[object]) -> str:
    return ", ".join(sorted(map(str, value))) or "none"


def _window_text(value: _Windows) -> str:
    ordered = sorted(value, key=lambda window: window.window_ms)
    return " and ".join(f"{_amount(window.maximum)} in {duration_text(window.window_ms)}" for window in ordered)


def _conversions(value: Mapping[str, str]) -> str:
    return ", ".join(f"{asset} by {symbol}" for asset, symbol in sorted(value.items())) or "none"


def _shown(value: object) -> str:
    """Returns a value of a key that has no text of its own here; a secret hides itself."""
    if isinstance(value, Enum):
        return str(value.value)
    return _amount(value) if isinstance(value, Decimal) else str(value)


@dataclass(frozen=True, slots=True)
class _Key:
    """One field of the policy: its name in the file, when it is tighter, and how its value is written."""

    name: str
    is_tighter: _Order
    text: Callable[[Any], str] = _shown
    why: str | None = None


_PRICE_CHECK: Final = (
    "either way: a price that no longer passes leaves a value unknown, and what is unknown is now and then asked about "
    "where a bad price was denied"
)
_ACCOUNTING: Final = (
    _Key("currency", _never, why="every notional in the file is then counted in another asset"),
    _Key("conversions", _never, _conversions, why="either way: orders are then counted by other prices"),
)
_TOOLS: Final = (_Key("allowed", _fewer, _names), _Key("cancel_foreign", _switched_off))
_LIMITS: Final = (
    _Key("max_open_notional", _lower),
    _Key("rolling_notional", _windows, _window_text),
    _Key("max_orders", _windows, _window_text),
    _Key("max_open_orders", _lower),
    _Key("max_daily_loss", _lower),
    _Key("duplicate_window_ms", _higher, duration_text),
    _Key("anti_slicing_window_ms", _higher, duration_text),
    _Key("absence_window_ms", _higher, duration_text),
    _Key("halt_after_orders", _lower),
    _Key("max_calls_per_minute", _lower),
    _Key("min_free_quote", _higher),
)
_PRICES: Final = (
    _Key("max_age_ms", _never, duration_text, why=_PRICE_CHECK),
    _Key("max_trade_age_ms", _never, duration_text, why=_PRICE_CHECK),
    _Key("collar", _lower, percent_text),
    _Key("stop_distance", _lower, percent_text),
    _Key(
        "market_buffer",
        _never,
        percent_text,
        why="either way: a MARKET order is then counted at another price, or buys another quantity",
    ),
    _Key("max_divergence", _never, percent_text, why=_PRICE_CHECK),
)
_CONFIRMATION: Final = (
    _Key("required_above", _lower),
    _Key("channel", _to_terminal),
    _Key("proof", _stronger_proof),
    _Key("proposal_ttl_ms", _lower, duration_text),
    _Key("token_ttl_ms", _lower, duration_text),
    _Key("max_outstanding", _lower),
    _Key("max_drift", _lower, percent_text),
)
_LIVE: Final = (_Key("loosening_delay_ms", _higher, duration_text), _Key("allow_permissions", _fewer, _names))
_SYMBOL: Final = (
    _Key("max_notional", _lower),
    _Key("max_quantity", _lower),
    _Key("max_position", _lower),
    _Key("sides", _fewer, _names),
    _Key("order_types", _fewer, _names),
    _Key("time_in_force", _fewer, _names),
)


def _by_name(*keys: _Key) -> Mapping[str, _Key]:
    return MappingProxyType({key.name: key for key in keys})


SECTIONS: Final[Mapping[str, Mapping[str, _Key]]] = MappingProxyType(
    {
        "accounting": _by_name(*_ACCOUNTING),
        "tools": _by_name(*_TOOLS),
        "limits": _by_name(*_LIMITS),
        "prices": _by_name(*_PRICES),
        "confirmation": _by_name(*_CONFIRMATION),
        "live": _by_name(*_LIVE),
        "symbols": _by_name(*_SYMBOL),
    }
)
"""By field of the policy: its keys that can be tighter. A key that is not here is looser however it changes."""
IGNORED: Final = frozenset({"examples", "digest", "text"})
"""Fields of the policy that no order depends on."""
IGNORED_OF_SYMBOLS: Final = frozenset({"reason"})
_IN_FILE: Final = MappingProxyType({"tools.allowed": "tools.allow"})


def _changes(before: Policy, after: Policy) -> Iterator[_Change]:
    for field in fields(Policy):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name in IGNORED or old == new:
            continue
        if field.name == "symbols":
            yield from _symbol_changes(old, new)
        elif is_dataclass(old):
            yield from _section_changes(field.name, SECTIONS.get(field.name, {}), old, new)
        else:
            yield KeyChange(key=field.name, before=_shown(old), after=_shown(new)), False


def _section_changes(section: str, keys: Mapping[str, _Key], old: Any, new: Any) -> Iterator[_Change]:  # noqa: ANN401
    """Yields the changes of one table of the file; both are of one dataclass."""
    for field in fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before == after:
            continue
        key = keys.get(field.name) or _Key(field.name, _never)
        dotted = f"{section}.{field.name.removesuffix('_ms')}"
        is_tighter = key.is_tighter(before, after)
        change = KeyChange(
            key=_IN_FILE.get(dotted, dotted),
            before=key.text(before),
            after=key.text(after),
            why=None if is_tighter else key.why,
        )
        yield change, is_tighter


def _symbol_changes(before: Mapping[str, SymbolLimits], after: Mapping[str, SymbolLimits]) -> Iterator[_Change]:
    for symbol in dict.fromkeys((*before, *after)):
        old, new = before.get(symbol), after.get(symbol)
        if old is None or new is None:
            words = ("not listed", "listed") if old is None else ("listed", "not listed")
            yield KeyChange(key=f"symbols.{symbol}", before=words[0], after=words[1]), new is None
            continue
        for change, is_tighter in _section_changes(f"symbols.{symbol}", SECTIONS["symbols"], old, new):
            if change.key.rpartition(".")[2] not in IGNORED_OF_SYMBOLS:
                yield change, is_tighter
