"""Verifying rows at once finds exactly what verifying them one by one finds, whatever was done to them."""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from typing import Any

import pytest

from guardian.store.log import verify as verify_module
from guardian.store.log.encoding import GENESIS, body_of, columns_of, digest_of
from guardian.store.log.read_only import LogRow
from guardian.store.log.statements import ROW_COLUMNS
from guardian.store.log.verify import Verification, verify
from guardian.store.log_findings import Finding, FindingKind, evidence_of
from guardian.store.schema.records import Phase, Record
from tests.store.support.store_world import World
from tests.support.profiles import tries

Row = tuple[Any, ...]
Result = tuple[list[Finding], int, Any, Any, Any, Any]
SEQ, PREVIOUS, DIGEST, BODY = 0, 1, 2, 12
NAMES = ("call_id", "phase", "ts_ms", "tool", "symbol", "outcome", "environment", "account", "key")
ROW_KINDS = {FindingKind.CONTENT, FindingKind.COLUMN, FindingKind.GAP, FindingKind.CHAIN}


def one_by_one(rows: list[Row]) -> Result:
    """Verification as it was before rows were verified at once, with nothing of it left out."""
    findings: list[Finding] = []
    seq, digest, first, last = 0, GENESIS, None, None
    for row in rows:
        at = dict(zip(ROW_COLUMNS, row, strict=True))

        def add(kind: FindingKind, message: str, *what: object, at: dict[str, Any] = at) -> None:
            is_link = kind in {FindingKind.GAP, FindingKind.CHAIN}
            is_reported = is_link and isinstance(at["key"], str) and at["key"].startswith("broken_chain:")
            evidence = evidence_of(*what)
            found = Finding(kind=kind, seq=at["seq"], message=message, evidence=evidence, is_reported=is_reported)
            findings.append(found)

        number = at["seq"]
        if number != seq + 1:
            missing = f"row {seq + 1} is" if number == seq + 2 else f"rows {seq + 1} to {number - 1} are"
            add(FindingKind.GAP, f"{missing} missing before row {number}", digest, at["prev_hash"])
        elif at["prev_hash"] != digest:
            add(FindingKind.CHAIN, f"row {number} does not follow on the row before it", digest)
        if not has_its_digest(at):
            what = (at["prev_hash"], at["digest"], at["body"])
            add(FindingKind.CONTENT, f"row {number} was changed: its digest is another one", *what)
        elif changed := changed_columns(at):
            names = ", ".join(f"`{name}`" for name in changed)
            message = f"row {number}: {names} was changed: the body says something else"
            add(FindingKind.COLUMN, message, *(at[name] for name in changed))
        seq, digest = number, at["digest"]
        first = at["ts_ms"] if first is None else first
        last = at["ts_ms"]
    return findings, len(rows), seq, digest, first, last


def has_its_digest(at: dict[str, Any]) -> bool:
    try:
        place = struct.pack(">Q", at["seq"]) + len(at["body"]).to_bytes(4, "big")
        whole = b"".join((b"guardian/audit/entry/v1\0", at["prev_hash"], place, at["body"]))
    except (TypeError, struct.error):
        return False
    return bool(sha256(whole).digest() == at["digest"])


def changed_columns(at: dict[str, Any]) -> tuple[str, ...]:
    try:
        document = json.loads(at["body"])
    except (ValueError, RecursionError, TypeError):
        return NAMES
    return tuple(n for n in NAMES if at[n] != document.get(n)) if isinstance(document, dict) else NAMES


def at_once(rows: list[Row], batch: int) -> Result:
    """The same by the code under test, which is given some rows at a time."""
    verification = Verification()
    for start in range(0, len(rows), batch):
        verification.check(rows[start : start + batch])
    seen = verification
    return seen.findings, seen._rows, seen._seq, seen._digest, seen._first_ts, seen._last_ts


# Logs, and what somebody does to them


def a_log(rng: random.Random, length: int) -> list[Row]:
    """Rows as guardian writes them."""
    rows: list[Row] = []
    digest = GENESIS
    for seq in range(1, length + 1):
        record = Record(
            phase=rng.choice(list(Phase)),
            call_id=rng.choice([None, f"c{seq}"]),
            tool=rng.choice([None, "get_balance", 'a "tool"', "T\u00f6\u00f6l\0", "x" * 200]),
            symbol=rng.choice([None, "BTCUSDT", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")]),
            outcome=rng.choice([None, "done"]),
            environment=rng.choice([None, "paper"]),
            account=rng.choice([None, "a1"]),
            key=rng.choice([None, None, f"k/{seq}", f"broken_chain:{seq}"]),
            body={"n": seq, "text": rng.choice(["", "a\\b", '"', "\ud800", "\0"]), "list": [1.5, None, True]},
        )
        columns = columns_of(record, 1_800_000_000_000 + seq)
        rows.append(a_row(seq, digest, columns, body_of(columns, record.body)))
        digest = rows[-1][DIGEST]
    return rows


def a_row(seq: Any, previous: Any, columns: dict[str, Any], body: Any, digest: Any = None) -> Row:
    own = digest_of(previous, seq, body) if digest is None else digest
    values = {"seq": seq, "prev_hash": previous, "digest": own, "body": body, **columns}
    return tuple(values[name] for name in ROW_COLUMNS)


def with_cell(row: Row, index: int, value: object) -> Row:
    return (*row[:index], value, *row[index + 1 :])


CELLS: tuple[object, ...] = (
    None, -1, 0, 1, 2**63 - 1, -(2**63), 1.5, 1_800_000_000_001.0, "", "text", "paper", "done", "\0", "\ufeff", b"",
    b"\xff", b"{}", "{}", bytes(32), bytes(31), "0" * 32, "broken_chain:1",
)  # fmt: skip


def broken_bodies(rng: random.Random, body: bytes) -> bytes:
    """Another body in its place: no JSON, JSON that is not canonical, or JSON that says something else or the same."""
    text = body.decode("utf-8", "surrogatepass")
    choices: list[Callable[[], bytes]] = [
        lambda: b"", lambda: b"{", lambda: b'{"', lambda: b'{"}', lambda: b"{}", lambda: b"[]", lambda: b"null",
        lambda: b'"x"',
        lambda: b'{"a":1}', lambda: body + b" ", lambda: b" " + body, lambda: body + b"\n{}", lambda: body + b"x",
        lambda: body + b"\0", lambda: b"\xef\xbb\xbf" + body, lambda: text.encode("utf-16", "surrogatepass"),
        lambda: text.encode("utf-16-le", "surrogatepass"), lambda: text.encode("utf-32-be", "surrogatepass"),
        lambda: body[:-1], lambda: body[:-1] + b',"tool":"another"}', lambda: body[:-1] + b',"z":"\xed\xa0\x80"}',
        lambda: body[:-1] + b',"z":"\xff"}', lambda: body[:-1] + b',"z":"\\ud800"}', lambda: body[:-1] + b',"z":"\0"}',
        lambda: body[:-1] + b',"z":' + b"9" * 5000 + b"}", lambda: body[:-1] + b',"z":' + b"9" * 4000 + b"}",
        lambda: body[:-1] + b',"z":NaN,"y":-Infinity}', lambda: body[:-1] + b',"z":1e999}',
        lambda: body[:-1] + b',"z":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        lambda: body[:-1] + b',"z":' + b"[" * 100_000 + b"}",
        lambda: body[:-1] + b',"z":01}', lambda: body[:-1] + b',"z":"a\tb"}', lambda: body[:-1] + b",}",
        lambda: json.dumps(json.loads(body)).encode(), lambda: json.dumps(json.loads(body), indent=1).encode(),
        lambda: canonical_with(body, "ts_ms", float(json.loads(body)["ts_ms"])),
        lambda: canonical_with(body, "v", True),
        lambda: canonical_with(body, rng.choice(NAMES), rng.choice([None, 1, 1.0, True, "", "done", [], {}])),
        lambda: canonical_without(body, rng.choice(NAMES)), lambda: body.replace(b'"data":{', b'"data":{"key":"k/1",'),
        lambda: body.replace(b'"environment"', b'"Environment"'), lambda: body.replace(b'"', b"'"),
        lambda: b'{"data":' + body + b"}", lambda: b"[" + body + b"]",
    ]  # fmt: skip
    return rng.choice(choices)()


def canonical_with(body: bytes, name: str, value: object) -> bytes:
    return json.dumps({**json.loads(body), name: value}, sort_keys=True, separators=(",", ":")).encode()


def canonical_without(body: bytes, name: str) -> bytes:
    kept = {key: value for key, value in json.loads(body).items() if key != name}
    return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()


def damaged(rng: random.Random, rows: list[Row]) -> list[Row]:
    """The rows after one thing was done to them."""
    rows, at = list(rows), rng.randrange(len(rows))
    row = rows[at]
    match rng.randrange(8):
        case 0:  # any cell, to any value
            rows[at] = with_cell(row, rng.randrange(1, len(row)), rng.choice(CELLS))
        case 1:  # a cell, to what another row has there
            index = rng.randrange(1, len(row))
            rows[at] = with_cell(row, index, rng.choice(rows)[index])
        case 2:  # rows removed
            del rows[at : at + rng.choice([1, 1, 2, 7])]
        case 3:  # two rows in each other's place
            other = rng.randrange(len(rows))
            rows[at], rows[other] = with_cell(rows[other], SEQ, row[SEQ]), with_cell(row, SEQ, rows[other][SEQ])
        case 4 if isinstance(row[BODY], bytes) and row[BODY][:1] == b"{":  # another body, with its digest or without
            try:
                body = broken_bodies(rng, row[BODY])
                digest = row[DIGEST] if rng.random() < 0.2 else digest_of(row[PREVIOUS], row[SEQ], body)
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
                return rows
            rows[at] = with_cell(with_cell(row, BODY, body), DIGEST, digest)
        case 5:  # a row that follows on another digest, with its own digest right
            previous = rng.choice([bytes(32), rows[at - 1][DIGEST], b"", bytes(31)])
            if isinstance(row[BODY], bytes) and isinstance(previous, bytes) and row[SEQ] >= 0:
                own = digest_of(previous, row[SEQ], row[BODY])
                rows[at] = with_cell(with_cell(row, PREVIOUS, previous), DIGEST, own)
        case 6:  # the rest of the log chained again, so that only what a body says can show
            rows[at:] = chained(rows[at:], row[PREVIOUS])
        case _:  # rows that were moved to other numbers
            number = rng.choice([0, -1, -(2**60), row[SEQ] + 1000, 2**63 - 3])
            for offset in range(min(rng.choice([1, 2]), len(rows) - at)):
                rows[at + offset] = with_cell(rows[at + offset], SEQ, number + offset)
    # The file has them in the order of their numbers, each once.
    return [row for _, row in sorted({row[SEQ]: row for row in rows}.items())]


def chained(rows: list[Row], previous: Any) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        try:
            own = digest_of(previous, row[SEQ], row[BODY])
        except (TypeError, OverflowError):
            return [*found, *rows[len(found) :]]
        found.append(with_cell(with_cell(row, PREVIOUS, previous), DIGEST, own))
        previous = own
    return found


def test_rows_at_once_are_found_as_rows_one_by_one() -> None:
    """Thousands of logs, each with up to five damages: kinds, messages, row numbers, evidence and what else is kept."""
    seen: set[FindingKind] = set()
    reported = changed_alone = 0
    for seed in range(tries(4000)):
        rng = random.Random(seed)
        rows = a_log(rng, rng.choice([1, 2, 5, 12, 30]))
        for _ in range(rng.randrange(6)):
            rows = damaged(rng, rows) if rows else rows
        expected = one_by_one(rows)
        assert at_once(rows, rng.choice([1, 2, 7, 100])) == expected, f"seed {seed}"
        seen |= {finding.kind for finding in expected[0]}
        reported += sum(finding.is_reported for finding in expected[0])
        changed_alone += any("was changed: the body" in finding.message for finding in expected[0])
    assert seen == ROW_KINDS
    assert reported
    assert changed_alone


def test_intact_rows_are_intact_at_once() -> None:
    """A log that nobody touched is wholly right, without a look at any row by itself."""
    for seed in range(tries(200)):
        rows = a_log(random.Random(seed), 30)
        findings, count, seq, digest, first, last = at_once(rows, 7)
        assert (findings, count, seq, digest) == ([], 30, 30, rows[-1][DIGEST])
        assert (first, last) == (1_800_000_000_001, 1_800_000_000_030)


def test_rows_that_are_right_are_never_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a log with one damage only the rows where it shows cost more than the others."""
    looked_at: list[int] = []
    look = Verification._row

    def remembered(self: Verification, row: LogRow) -> None:
        looked_at.append(row.seq)
        look(self, row)

    monkeypatch.setattr(Verification, "_row", remembered)
    rows = a_log(random.Random(1), 100)
    at_once(rows, 30)
    assert looked_at == []
    at_once([*rows[:40], *rows[41:]], 30)
    assert looked_at == [42]


@pytest.mark.parametrize("seed", range(40))
def test_log_in_a_file_is_found_as_its_rows_one_by_one(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same through the file, whose columns take values of any type, in batches that the damages cross."""
    world.store.close()
    monkeypatch.setattr(verify_module, "BATCH", 7)
    rng = random.Random(seed)
    rows = a_log(rng, 40)
    for _ in range(4):
        rows = damaged(rng, rows)
    with closing(sqlite3.connect(world.home / "guardian.db", isolation_level=None)) as connection:
        columns = ", ".join((*ROW_COLUMNS[1:], "client_order_id"))
        connection.execute("ALTER TABLE audit RENAME TO old")
        connection.execute(f"CREATE TABLE audit (seq INTEGER PRIMARY KEY, {columns})")
        marks = ", ".join("?" * len(ROW_COLUMNS))
        connection.executemany(f"INSERT INTO audit ({', '.join(ROW_COLUMNS)}) VALUES ({marks})", rows)
        stored = connection.execute(f"SELECT {', '.join(ROW_COLUMNS)} FROM audit ORDER BY seq").fetchall()
    report = verify(world.home)
    expected = one_by_one(stored)
    assert [finding for finding in report.findings if finding.kind in ROW_KINDS] == expected[0]
    assert (report.rows, report.last_seq, report.first_ts_ms, report.last_ts_ms) == (*expected[1:3], *expected[4:])
