"""Text to policy. `load_policy` takes the whole file and gives a valid policy, or every mistake at once.

This is the one way to a `Policy`. It fails closed: an unknown key, a float, a number without its unit, an empty list of
limits, a zero that would mean nothing and an example that does not hold each make the whole file invalid.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER, TOOLS
from guardian.domain.milliseconds import DAY_MS, HOUR_MS
from guardian.domain.orders import UNPRICED_STOP_TYPES, OrderSide, OrderType, TimeInForce
from guardian.domain.owner.proof import Proof
from guardian.domain.secrets import Secret
from guardian.domain.trading import PAPER_ENDPOINT, Environment
from guardian.errors import PolicyInvalid, PolicyMistake
from guardian.policy.loading.examples import read_example, split_symbol, why_it_fails
from guardian.policy.loading.lines import MAX_DEPTH, KeyLines, NestsTooDeep, find_lines
from guardian.policy.loading.reader import Notes, Setting, TomlTable
from guardian.policy.loading.values import (
    FloatText,
    Unfit,
    amount,
    asset,
    choice,
    count,
    duration,
    flag,
    one_of,
    percentage,
    positive,
    secret_text,
    shortened,
    shown,
    symbol,
    text,
)
from guardian.policy.model import (
    Accounting,
    Channel,
    ConfirmationRules,
    CountWindow,
    Limits,
    LiveRules,
    NotionalWindow,
    PaperSettings,
    Policy,
    PriceRules,
    SymbolLimits,
    ToolRules,
)
from guardian.policy.permissions import ExtraPermission

MAX_CHARACTERS: Final = 256 * 1024
MAX_EXAMPLES: Final = 500

_WINDOW: Final = duration(31 * DAY_MS)
_UP_TO_A_DAY: Final = duration(DAY_MS)
ABSENCE_WINDOW_MS: Final = 900_000
"""`limits.absence_window` where no policy says it."""
_SCHEMA: Final = 1
_SYNTAX_LINE: Final = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReading:
    """A valid policy, and each of its keys with its effective value and where that comes from."""

    policy: Policy
    settings: tuple[Setting, ...]


def load_policy(source: str) -> Policy:
    """Returns the policy that a file's text says. Raises PolicyInvalid with every mistake, and nothing else."""
    return read_policy(source).policy


def read_policy(source: str) -> PolicyReading:
    """As `load_policy`, with the origin of each setting."""
    data, lines = _parse(source)
    notes = Notes(lines)
    root = TomlTable(notes, (), data)
    policy = _read_root(root, source)
    notes.report_unknown_keys()
    if not notes.mistakes:
        # An example is judged under a policy that is otherwise sound, or its failure would say nothing.
        for index, example in enumerate(policy.examples, 1):
            failure = why_it_fails(example, policy)
            if failure is not None:
                notes.mistake(("examples", index), f'"{example.name}": {failure}')
    if notes.mistakes:
        raise PolicyInvalid(
            tuple(sorted(notes.mistakes, key=lambda mistake: mistake.line or 0)),
            hint="`guardian policy example` explains every key",
        )
    return PolicyReading(policy=policy, settings=tuple(notes.settings))


def named_environment(source: str) -> Environment | None:
    """Returns the environment that a policy's text names, whatever mistakes the rest has; None where it is unknown.

    With a `[paper]` table it cannot: which paper exchange is meant is for a policy without mistakes to say.
    """
    try:
        data, _ = _parse(source)
        named = Environment(str(data.get("environment")))
    except (PolicyInvalid, ValueError):
        return None
    return None if named is Environment.PAPER and "paper" in data else named


def _parse(source: str) -> tuple[dict[str, object], KeyLines]:
    """Returns the text as TOML gives it, floats kept as their text."""
    if len(source) > MAX_CHARACTERS:
        raise _unreadable(f"the file is longer than {MAX_CHARACTERS} characters", None)
    body = source.removeprefix("\ufeff").replace("\r\n", "\n")  # Windows editors put a byte order mark in front
    line = _line_of_odd_character(body)
    if line is not None:
        raise _unreadable("there is a character that text does not have, such as NUL", line)
    try:
        lines = find_lines(body)
        return tomllib.loads(body, parse_float=FloatText), lines
    except NestsTooDeep as deep:
        raise _unreadable(f"brackets or keys nest deeper than {MAX_DEPTH}", deep.line) from None
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        # tomllib says "at end of document" instead of a line.
        line = int(found[1]) if found and found[1] else max(1, len(body.splitlines()))
        raise _unreadable(_worded(_SYNTAX_LINE.sub("", str(error))), line) from None
    except ValueError:
        # An integer of more digits than Python reads.
        raise _unreadable("a number has too many digits", None) from None


def _worded(message: str) -> str:
    """tomllib's sentence, in plain words where it is about a key that is there twice."""
    if message.startswith(("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline table key")):
        return "a key or a table is given twice"
    return shortened(message, 120)


def _line_of_odd_character(body: str) -> int | None:
    odd = re.search("[\x00\ud800-\udfff]", body)
    return None if odd is None else body.count("\n", 0, odd.start()) + 1


def _unreadable(message: str, line: int | None) -> PolicyInvalid:
    return PolicyInvalid(
        (PolicyMistake(key="", message=f"not readable as TOML: {message}", line=line),),
        hint="nothing after this mistake was looked at",
    )


def _read_root(root: TomlTable, source: str) -> Policy:
    root.required("schema", _known_schema, _SCHEMA)
    environment = root.value("environment", choice(Environment), Environment.TESTNET.value)
    misread = "environment" in root.data and root.data["environment"] != environment.value
    policy = Policy(
        environment=environment,
        paper=_read_paper(root.table("paper"), environment, misread=misread),
        accounting=_read_accounting(root.table("accounting")),
        tools=_read_tools(root.table("tools")),
        limits=_read_limits(root.table("limits")),
        prices=_read_prices(root.table("prices")),
        confirmation=_read_confirmation(root.table("confirmation"), environment),
        live=_read_live(root.table("live")),
        symbols=_read_symbols(root.table("symbols")),
        examples=root.rows("examples", read_example, [], most=MAX_EXAMPLES, may_be_empty=True, listed=False),
        digest=sha256(source.encode()).hexdigest(),
        text=source,
    )
    root.done()
    return policy


def _known_schema(value: object) -> int:
    if isinstance(value, bool) or value != _SCHEMA:
        raise Unfit(f"{shown(value)} is not known", f"this guardian reads `schema = {_SCHEMA}`")
    return _SCHEMA


def _read_paper(table: TomlTable, environment: Environment, *, misread: bool) -> PaperSettings:
    endpoint = table.optional("endpoint", _loopback)
    api_key = table.optional("api_key", secret_text, hidden=True)
    api_secret = table.optional("api_secret", secret_text, hidden=True)
    here = [key for key in table.known if key in table.data]
    if misread:
        pass  # the environment's own mistake is reported; what was meant is unknown
    elif environment is not Environment.PAPER:
        for key in here:
            table.mistake(key, 'belongs to `environment = "paper"`', f'this policy is for "{environment.value}"')
    elif here:
        for key in table.known:
            if key not in here:
                table.mistake(key, "is missing", "`endpoint`, `api_key` and `api_secret` come together or not at all")
    table.done()
    return PaperSettings(
        endpoint=endpoint,
        api_key=None if api_key is None else Secret(api_key),
        api_secret=None if api_secret is None else Secret(api_secret),
    )


def _loopback(value: object) -> str:
    hint = 'exactly "http://127.0.0.1:PORT" or "http://[::1]:PORT"'
    if isinstance(value, str) and value.startswith("http://localhost"):
        raise Unfit("`localhost` is a name, and what it leads to can be changed on this machine", hint)
    found = PAPER_ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    if not isinstance(value, str) or found is None:
        # Not shown: an address can hold a password.
        raise Unfit("is not a loopback address with a port and nothing else", hint)
    if int(found[1]) > 65535:
        raise Unfit("has a port above 65535", hint)
    return value


def _read_accounting(table: TomlTable) -> Accounting:
    currency = table.value("currency", asset, "USDT")
    default = {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT"}
    table.value("conversions", _table_of_words, default)
    raw = table.data.get("conversions", default)
    conversions: dict[str, str] = {}
    for name, traded in raw.items() if isinstance(raw, dict) else ():
        path = (*table.path, "conversions", name)
        try:
            conversions[asset(name)] = symbol(traded)
            split_symbol(symbol(traded), name)
        except Unfit as unfit:
            table.notes.mistake(path, unfit.message, unfit.hint)
        except ValueError as error:
            table.notes.mistake(path, str(error), 'an asset and a symbol that trades it: BTC = "BTCUSDT"')
    table.done()
    return Accounting(currency=currency, conversions=MappingProxyType(conversions))


def _table_of_words(value: object) -> None:
    if not isinstance(value, dict):
        raise Unfit(f"{shown(value)} is not a table", 'such as { BTC = "BTCUSDT" }')


def _read_tools(table: TomlTable) -> ToolRules:
    tool = one_of(list(TOOLS))
    if isinstance(table.data.get("allow", "all"), str):
        table.value("allow", one_of(["all"]), "all")
        allowed = set(TOOLS)
    else:
        allowed = set(table.words("allow", tool, [], may_be_empty=True))
    allowed -= set(table.words("deny", tool, [], may_be_empty=True))
    cancel_foreign = table.value("cancel_foreign", flag, default=False)
    if CREATE_ORDER in allowed and CANCEL_ORDER not in allowed:
        table.mistake(
            "deny" if "deny" in table.data else "allow",
            f"allows {CREATE_ORDER} and not {CANCEL_ORDER}",
            "what was placed must stay cancellable: allow both, or neither",
        )
    table.done()
    return ToolRules(allowed=frozenset(allowed), cancel_foreign=cancel_foreign)


def _read_limits(table: TomlTable) -> Limits:
    limits = Limits(
        max_open_notional=table.value("max_open_notional", positive, "300"),
        rolling_notional=table.rows(
            "rolling_notional", _read_notional_window, [{"window": "5m", "max": "200"}, {"window": "24h", "max": "500"}]
        ),
        max_orders=table.rows(
            "max_orders", _read_count_window, [{"window": "1m", "max": 5}, {"window": "24h", "max": 50}]
        ),
        max_open_orders=table.value("max_open_orders", count, 5),
        max_daily_loss=table.value("max_daily_loss", positive, "100"),
        duplicate_window_ms=table.value("duplicate_window", _UP_TO_A_DAY, "60s"),
        anti_slicing_window_ms=table.value("anti_slicing_window", _UP_TO_A_DAY, "15m"),
        absence_window_ms=table.value("absence_window", duration(DAY_MS, least_ms=60_000), "15m"),
        halt_after_orders=table.value("halt_after_orders", count, 20),
        max_calls_per_minute=table.value("max_calls_per_minute", count, 120),
        min_free_quote=table.value("min_free_quote", amount, "0"),
    )
    _refuse_twice(table, "rolling_notional", [window.window_ms for window in limits.rolling_notional])
    _refuse_twice(table, "max_orders", [window.window_ms for window in limits.max_orders])
    table.done()
    return limits


def _read_notional_window(row: TomlTable) -> NotionalWindow:
    return NotionalWindow(window_ms=row.required("window", _WINDOW, "5m"), maximum=row.required("max", positive, "1"))


def _read_count_window(row: TomlTable) -> CountWindow:
    return CountWindow(window_ms=row.required("window", _WINDOW, "5m"), maximum=row.required("max", count, 1))


def _refuse_twice(table: TomlTable, key: str, windows: list[int]) -> None:
    if not table.notes.mistakes and len(set(windows)) < len(windows):
        table.mistake(key, "has two limits for the same window")


def _read_prices(table: TomlTable) -> PriceRules:
    prices = PriceRules(
        max_age_ms=table.value("max_age", duration(HOUR_MS), "5s"),
        max_trade_age_ms=table.value("max_trade_age", _UP_TO_A_DAY, "5m"),
        collar=table.value("collar", percentage, "3%"),
        stop_distance=table.value("stop_distance", percentage, "20%"),
        market_buffer=table.value("market_buffer", percentage, "1%"),
        max_divergence=table.value("max_divergence", percentage, "2%"),
    )
    table.done()
    return prices


def _read_confirmation(table: TomlTable, environment: Environment) -> ConfirmationRules:
    rules = ConfirmationRules(
        required_above=table.value("required_above", amount, "0"),
        channel=table.value("channel", choice(Channel), "terminal"),
        proof=table.value("proof", choice(Proof), "terminal"),
        proposal_ttl_ms=table.value("proposal_ttl", _UP_TO_A_DAY, "15m"),
        token_ttl_ms=table.value("token_ttl", _UP_TO_A_DAY, "5m"),
        max_outstanding=table.value("max_outstanding", count, 3),
        max_drift=table.value("max_drift", percentage, "0.5%"),
    )
    if rules.channel is Channel.CHAT and environment is Environment.LIVE:
        table.mistake(
            "channel",
            '"chat" is refused on live: the assistant would hold the proof that a person agreed',
            'use "terminal"',
        )
    if rules.channel is Channel.ELICIT and environment is Environment.LIVE:
        table.mistake(
            "channel",
            '"elicit" is refused on live: the client could answer by itself',
            'use "terminal"',
        )
    if rules.proof is Proof.TERMINAL and environment is Environment.LIVE:
        table.mistake(
            "proof",
            '"terminal" is refused on live: any program with a shell can answer at a terminal',
            'use "passkey", or "pin"',
        )
    if rules.channel is not Channel.TERMINAL and rules.proof is not Proof.TERMINAL:
        table.mistake(
            "channel",
            f'"{rules.channel.value}" proves nothing, and `proof = "{rules.proof.value}"` demands more',
            'use `channel = "terminal"`, or `proof = "terminal"`',
        )
    table.done()
    return rules


def _read_live(table: TomlTable) -> LiveRules:
    extra = choice(ExtraPermission)
    rules = LiveRules(
        loosening_delay_ms=table.value("loosening_delay", _UP_TO_A_DAY, "10m"),
        allow_permissions=frozenset(table.words("allow_permissions", extra, [], may_be_empty=True)),
    )
    table.done()
    return rules


def _read_symbols(table: TomlTable) -> Mapping[str, SymbolLimits]:
    symbols = {}
    for name in table.data:
        try:
            symbol(name)
        except Unfit as unfit:
            table.mistake(name, unfit.message, unfit.hint)
        symbols[name] = _read_symbol(table.table(name))
    return MappingProxyType(symbols)


def _read_symbol(table: TomlTable) -> SymbolLimits:
    limits = SymbolLimits(
        max_notional=table.required("max_notional", positive, "1"),
        max_quantity=table.required("max_quantity", positive, "1"),
        max_position=table.required("max_position", positive, "1"),
        sides=frozenset(table.words("sides", choice(OrderSide), ["BUY", "SELL"])),
        order_types=frozenset(table.words("order_types", _priced_type, ["LIMIT", "LIMIT_MAKER", "MARKET"])),
        time_in_force=frozenset(table.words("time_in_force", choice(TimeInForce), ["GTC", "IOC", "FOK"])),
        reason=table.optional("reason", text(500)),
    )
    table.done()
    return limits


_UNPRICED: Final = {kind.value for kind in UNPRICED_STOP_TYPES}


def _priced_type(value: object) -> OrderType:
    if isinstance(value, str) and value in _UNPRICED:
        raise Unfit(f"{value} has no worst price, so it cannot be held to a cap", f"list {value}_LIMIT instead")
    return OrderType(one_of([kind.value for kind in OrderType if kind.value not in _UNPRICED])(value))
