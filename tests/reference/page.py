"""Makes `policies/README.md`: `python -m tests.reference.page > policies/README.md`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from guardian.domain.codes import Code
from guardian.policy.loading import examples
from guardian.policy.loading.load import read_policy
from tests.reference.codes import WHAT_TO_DO
from tests.reference.keys import GIVEN, KEYS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "policies" / "README.md"
COMMAND: Final = "python -m tests.reference.page > policies/README.md"
SYMBOL: Final = '[symbols.BTCUSDT]\nmax_notional = "100"\nmax_quantity = "0.005"\nmax_position = "0.02"\n'

INTRODUCTION: Final = f"""\
# Policies: every key and every code

Generated from the code; do not edit. `{COMMAND}` writes it again.

Ready-made policies in this folder: `testnet.toml` serves until you write your own, `paper.toml` is the same for the
paper exchange, `read-only.toml` lets the assistant look and never trade, `tour.toml` belongs to `guardian tour`.
[`policy.example.toml`](../policy.example.toml) is one file with every key, to copy from.

## Keys

Amounts are strings (`"100.50"`) or whole numbers, never TOML floats. Durations are `"250ms"`, `"60s"`, `"15m"` or
`"24h"`. Percentages are `"3%"`. Nothing means "unlimited". An unknown key is a mistake. A key that is left out
has its default.
"""

CODES: Final = """\
## Codes

Every answer but `done` has a code. Codes are stable. `denied` and `invalid`: nothing left this machine. `rejected`: the
exchange refused. `unknown`: the order or the cancel may have reached the exchange; it is never sent again.
"""


def known_keys() -> list[str]:
    """Every key that the loader reads, in its order, with `X` for the symbol."""
    text = (ROOT / "policy.example.toml").read_text("utf-8").replace("# endpoint", "endpoint").replace("# api_", "api_")
    text = text.replace('environment = "testnet"', 'environment = "paper"')
    return [setting.key.replace("BTCUSDT", "X") for setting in read_policy(text).settings]


def defaults() -> Mapping[str, str]:
    """By key: the value that a policy has where its file says nothing, in the file's notation."""
    settings = read_policy("schema = 1\n" + SYMBOL).settings
    return {setting.key.replace("BTCUSDT", "X"): setting.value for setting in settings if setting.is_default}


def default_of(key: str) -> str:
    """The default of a key, or what there is instead."""
    value = defaults().get(key)
    if value is not None:
        return f"`{value}`"
    return "required" if key == "schema" or re.fullmatch(r"symbols\.X\.max_\w+", key) else "none"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    cells = [tuple(header)]
    cells += [("---",) * len(cells[0]), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def keys_of_a_table(prefix: str, keys: Iterable[str]) -> str:
    """One table of the policy: its heading and its keys."""
    heading = f"### `[{prefix}]`" if prefix else "### At the top of the file"
    rows = (
        (f"`{key.rpartition('.')[2]}`", KEYS[key].kind.words, default_of(key), KEYS[key].does, KEYS[key].tighter)
        for key in keys
    )
    return f"{heading}\n\n" + table(("key", "type", "default", "what it does", "tighter"), rows)


def examples_section() -> str:
    """`[[examples]]`: its keys, and what may be given."""
    rows = (
        (f"`{key}`", "none" if default is None else f"`{default}`", GIVEN[key])
        for key, (_, default) in examples.GIVEN.items()
    )
    return (
        "### `[[examples]]`\n\n"
        "Cases that the real rules judge at every load; one that comes out differently makes the policy invalid. Each "
        "has a `name`;\n`order`, with the fields of `create_order`; `expect`, with `decision` (`allow`, `confirm` or "
        "`deny`) and for `deny` a `code`\nthat must be among the denials; and `given`, the market and the past that "
        "the order meets:\n\n" + table(("given", "default", "what it is"), rows) + "\n"
        "`rate_SYMBOL_bid` and `rate_SYMBOL_ask` give the prices of a symbol on a conversion path.\n"
    )


def page() -> str:
    """The whole page."""
    groups = [
        keys_of_a_table(prefix, keys) for prefix, keys in groupby(known_keys(), key=lambda key: key.rpartition(".")[0])
    ]
    codes = ((f"`{code.name}`", f"`{code.outcome.value}`", code.meaning, WHAT_TO_DO[code]) for code in Code)
    code_table = table(("code", "outcome", "means", "what to do"), codes)
    return "\n".join([INTRODUCTION, *groups, examples_section(), f"{CODES}\n{code_table}"])


if __name__ == "__main__":
    sys.stdout.write(page())
