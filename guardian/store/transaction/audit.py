"""The part of a transaction that appends to the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER
from guardian.domain.milliseconds import MINUTE_MS
from guardian.errors import StoreUnavailable
from guardian.store.log.encoding import BODY_VERSION, body_of, client_order_id, columns_of, digest_of
from guardian.store.log.redaction import token_digest, token_pieces, without
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.compiled_statement import DIGESTS_AT_ONCE, CompiledStatement, filled
from guardian.store.schema.records import Entry, Head, OpenedCall, Phase, Record
from guardian.store.seal.macs import needs_mac
from guardian.store.state.row_images import exact_json, image_of
from guardian.store.state.table_statements import ALL_ROWS
from guardian.store.transaction.trading_state import TradingPart
from guardian.store.transaction.unit import Unit

BASELINE_ROWS: Final = 200
"""Rows of other tables in one row of the log, at most, where all of them are written at once."""
_STATE: Final = Record(phase=Phase.STATE)


class AuditPart:
    """Appends rows; each is chained to the one before it."""

    def __init__(self, unit: Unit, trading: TradingPart) -> None:
        self._unit = unit
        self._trading = trading

    def append(self, record: Record) -> Entry:
        """Appends one row, whatever the body holds: see `guardian.store.log.encoding`.

        Raises:
            StoreConflict: the call has a row of this phase already, or another row has this key.
            StoreUnavailable: it cannot be written.
        """
        columns, body = self._written(record)
        tokens = self._tokens_in(body)
        if tokens:
            # A model put a confirmation token where none belongs: what is written has its digest.
            given = {"tool": record.tool, "symbol": record.symbol, "account": record.account, "body": record.body}
            kept = without(given, tokens)
            columns, body = self._written(replace(record, **kept))  # type: ignore[arg-type]  # the same fields
        self._chain(record, columns, body)
        seq, digest = self._unit.head.seq, self._unit.head.digest
        return Entry(
            seq=seq,
            digest=digest.hex(),
            phase=record.phase,
            call_id=record.call_id,
            ts_ms=self._unit.now_ms,
            client_order_id=client_order_id(digest) if record.phase is Phase.INTENT else None,
        )

    def _mac_of(self, record: Record, digest: bytes) -> bytes | None:
        """Returns the MAC of a row. Raises StoreUnavailable where a sealed log takes no such row without one."""
        source = self._unit.mac_source
        if source is None:
            return None
        if needs_mac(record.phase.value, record.body.get("kind")):
            return source.required_mac_of(digest)
        return source.mac_of(digest)

    def keep_checkpoint(self, seq: int, note: str) -> None:
        """Keeps a signed checkpoint of committed rows in place of the one before. Raises StoreError."""
        if (self._unit.value(sql.NEWEST_CHECKPOINT) or 0) != seq:
            self._unit.write(sql.DELETE_CHECKPOINTS)
            self._unit.write(sql.INSERT_CHECKPOINT, {"seq": seq, "note": note})

    def append_state(self) -> None:
        """Appends the row that says what this transaction wrote into the other tables, if it wrote anything there.

        It comes last, just before the commit: see `guardian.store.state`. Raises StoreUnavailable.
        """
        if self._unit.changes:
            self._append_images(self._unit.changes.take())

    def append_baseline(self, why: str) -> None:
        """Appends all rows of the other tables as they are now: what the log said of them before does not count.

        For a log that does not have them all, for instance of an older guardian. Raises StoreError.
        """
        self._unit.changes.take()
        images = (
            (name, image_of(table, row))
            for name, table in sql.LOGGED.items()
            for row in self._unit.tuples(ALL_ROWS[name])
        )
        part = 0
        while chunk := list(islice(images, BASELINE_ROWS)):
            part += 1
            tables: dict[str, list[dict[str, object]]] = {}
            for name, image in chunk:
                tables.setdefault(name, []).append(image)
            self._append_images({"baseline": part, "why": why, "tables": tables})

    def _append_images(self, data: Mapping[str, object]) -> None:
        columns = columns_of(_STATE, self._unit.now_ms)
        self._chain(_STATE, columns, exact_json({"v": BODY_VERSION, **columns, **self._clock(), "data": data}))

    def _chain(self, record: Record, columns: Mapping[str, str | int | None], body: bytes) -> None:
        seq = self._unit.head.seq + 1
        digest = digest_of(self._unit.head.digest, seq, body)
        values = {"seq": seq, "prev_hash": self._unit.head.digest, "digest": digest, "body": body, **columns}
        values["mac"] = self._mac_of(record, digest)
        if self._unit.write(sql.APPEND_ROW, values) != 1:
            raise StoreUnavailable("the log took no row")
        self._unit.head = Head(seq, digest)
        self._unit.appended += 1

    def _clock(self) -> dict[str, int]:
        """Returns the clock, where it differs: window time is what counts, and the row has both then."""
        return {} if self._unit.clock_ms == self._unit.now_ms else {"clock_ms": self._unit.clock_ms}

    def _written(self, record: Record) -> tuple[dict[str, str | int | None], bytes]:
        """Returns the columns and the body of a row."""
        columns = columns_of(record, self._unit.now_ms)
        return columns, body_of({**columns, **self._clock()}, record.body)

    def _tokens_in(self, body: bytes) -> list[str]:
        """Returns the confirmation tokens in a row; queries the store only where something could be one."""
        pieces = {token_digest(piece): piece for piece in token_pieces(body)}
        left, found = list(pieces), list[str]()
        while left:
            some, left = left[:DIGESTS_AT_ONCE], left[DIGESTS_AT_ONCE:]
            rows = self._unit.rows(sql.ISSUED_TOKENS, filled("digest", some, DIGESTS_AT_ONCE))
            found += [pieces[row["token_digest"]] for row in rows]
        return found

    def open_call(self, record: Record) -> OpenedCall:
        """Appends the `call` row; returns how many calls spent the same budget within a minute, and the trading state.

        Cancels, and calls of the owner's, spend none.
        """
        entry, seen = self.append(record), 0
        if record.tool == CREATE_ORDER and record.key is None:
            seen = self.creates_last_minute()
        elif record.tool not in {CREATE_ORDER, CANCEL_ORDER}:
            seen = self._seen_last_minute(sql.READS_SINCE)
        return OpenedCall(entry=entry, calls_last_minute=seen, trading=self._trading.status())

    def creates_last_minute(self) -> int:
        """Returns how often the assistant called `create_order` in the last 60 s, in every process of this home."""
        return self._seen_last_minute(sql.CREATES_SINCE)

    def _seen_last_minute(self, calls: CompiledStatement) -> int:
        return int(self._unit.value(calls, {"since": self._unit.now_ms - MINUTE_MS, "now": self._unit.now_ms}))

    def has_key(self, key: str) -> bool:
        """Returns whether the log has a row with this key."""
        return self._unit.value(sql.SEQ_OF_KEY, {"key": key}) is not None

    def newest_with_key(self, prefix: str) -> bytes | None:
        """Returns the body of the newest row whose key begins with `prefix`; None where there is no such row."""
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        body = self._unit.value(sql.NEWEST_BODY_OF_KEYS, {"low": prefix, "high": after})
        return None if body is None else bytes(body)

    def body_at(self, seq: int) -> bytes | None:
        """Returns the body of a row, as it was written; None where the log has no such row."""
        body = self._unit.value(sql.BODY_AT, {"seq": seq})
        return None if body is None else bytes(body)

    def log_name(self) -> str | None:
        """Returns 32 hex digits that name this log among all others, from its first row; None while it is empty."""
        digest = self._unit.value(sql.FIRST_DIGEST)
        return None if digest is None else bytes(digest).hex()[:32]

    def last_entry(self) -> Entry | None:
        """Returns the last row of the log; None where it is empty."""
        row = self._unit.first(sql.LAST_ROW)
        if row is None:
            return None
        return Entry(
            seq=row["seq"],
            digest=bytes(row["digest"]).hex(),
            phase=Phase(row["phase"]),
            call_id=row["call_id"],
            ts_ms=row["ts_ms"],
            client_order_id=row["client_order_id"],
        )
