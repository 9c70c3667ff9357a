"""Makes the log of a home longer, by the code of the checkout that is measured: `grow_log.py HOME ROWS`.

The rows are those of reads that were done, in pairs of `call` and `outcome`, a minute or more ago, chained as guardian
chains them. They are written in few transactions and by plain SQL: a million rows in seconds.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOOLS = ("get_ticker_price", "get_ticker", "get_order_book", "get_balance")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", None)


def rows(count: int, seq: int, digest: bytes, first_ms: int, last_ms: int) -> Iterator[dict[str, Any]]:
    """Yields this many rows after the one with this number and digest; their times spread between the two."""
    from guardian.store.log.encoding import body_of, columns_of, digest_of
    from guardian.store.schema.records import Phase, Record

    for number in range(count):
        pair = (seq + number) // 2
        is_call = number % 2 == 0
        tool, symbol = TOOLS[pair % len(TOOLS)], SYMBOLS[pair % len(SYMBOLS)]
        body: dict[str, object] = (
            {"arguments": {"symbol": symbol}, "client": "benchmarks", "policy": "0" * 64}
            if is_call
            else {"outcome": "done", "duration_ms": 3, "data": {"price": "60000.00"}}
        )
        record = Record(
            phase=Phase.CALL if is_call else Phase.OUTCOME,
            call_id=f"{pair:032x}",
            tool=tool,
            symbol=symbol,
            outcome=None if is_call else "done" if pair % 50 else "refused",
            environment="paper",
            body=body,
        )
        columns = columns_of(record, first_ms + (last_ms - first_ms) * number // count)
        text = body_of(columns, record.body)
        seq_of_row = seq + number + 1
        before, digest = digest, digest_of(digest, seq_of_row, text)
        yield {"seq": seq_of_row, "prev_hash": before, "digest": digest, "body": text, **columns}


def main() -> None:
    """Appends rows until the log has as many as named, and brings the checkpoint up to its end."""
    from guardian.store.log.encoding import GENESIS
    from guardian.store.schema.files import DATABASE_NAME

    home, wanted = Path(sys.argv[1]), int(sys.argv[2])
    connection = sqlite3.connect(home / DATABASE_NAME, isolation_level=None)
    last = connection.execute("SELECT seq, digest, ts_ms FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, digest, first_ms = last or (0, getattr(GENESIS, "digest", GENESIS), int(time.time() * 1000) - 30 * 86_400_000)
    columns = ("seq", "prev_hash", "digest", "body", "call_id", "phase", "ts_ms", "tool", "symbol", "outcome")
    names = (*columns, "environment", "account", "key")
    insert = f"INSERT INTO audit ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"
    # The digests are random, and so are their places in the indexes: without memory for these each row costs the disk.
    connection.execute("PRAGMA cache_size = -1000000")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("BEGIN IMMEDIATE")
    until_ms = max(first_ms, int(time.time() * 1000) - 120_000)
    connection.executemany(insert, rows(wanted - seq, seq, digest, first_ms, until_ms))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


if __name__ == "__main__":
    main()
