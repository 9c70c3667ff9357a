"""A receipt shows who approved what at which price, on a machine that has nothing else; any changed byte is found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.market import BookTop
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.errors import StoreConflict
from guardian.gate.base.replies import OrderPlaced
from guardian.gate.owner.changes import OwnerChanges
from guardian.gate.owner.order_approval import order_statement
from guardian.gate.owner.receipt import MAX_BYTES, NotAReceipt, _digest, _text, check_receipt, write_receipt
from guardian.gate.owner.session_mandate import mandate_statement
from guardian.store.log.encoding import digest_of
from guardian.store.log.order_rows import order_rows
from tests.gate.owner.test_changes import FakeKeyring, Owner
from tests.gate.owner.test_order_approval import PASSKEY, PIN, TERMINAL, approve, proposal_of, signature
from tests.gate.owner.test_session_mandate import armed, terms
from tests.gate.support.fakes import D, Room
from tests.support.authenticator import Authenticator


@pytest.fixture
def authenticator(room: Room) -> Authenticator:
    """The owner's, registered as the command does it."""
    keyring, made = FakeKeyring(), Authenticator()
    changes = OwnerChanges(room.journal, random_bytes=lambda n: b"r" * n, keyring=lambda: keyring)
    Owner(room, keyring, changes).add(made, "laptop")
    room.policy(PASSKEY)
    return made


def ordered(room: Room, authenticator: Authenticator) -> str:
    """The client order id of an order that the owner signed."""
    proposal = proposal_of(room, room.propose())
    statement = order_statement(proposal, BookTop(bid=D("59999"), ask=D("60001"), fetched_ms=5))
    placed = room.use(approve(room, proposal, signature(room, authenticator, statement), statement)).data
    assert isinstance(placed, OrderPlaced)
    return placed.order.client_order_id


def receipt(room: Room, name: str) -> bytes:
    return write_receipt(order_rows(room.home, name))


def resealed(document: dict[str, Any]) -> bytes:
    """What a forger makes of it who knows the format: the outer digest fits again."""
    rest = {name: value for name, value in document.items() if name != "sha256"}
    return _text(rest | {"sha256": _digest(rest)})


def with_body(row: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A row with a changed body and the digest that fits it."""
    body = json.loads(row["body"])
    change(body)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = digest_of(bytes.fromhex(row["prev_hash"]), row["seq"], text.encode()).hex()
    return {**row, "body": text, "digest": digest}


def test_receipt_shows_who_approved_what_at_which_price(room: Room, authenticator: Authenticator) -> None:
    """By the order's id and by the proposal's."""
    name = ordered(room, authenticator)
    found = check_receipt(receipt(room, name))
    assert found.proof.passkey_name == "laptop"
    assert found.is_registered
    assert len(found.fingerprint or "") == 16
    assert found.client_order_id == name
    assert found.statement.fields["market"] == {"bid": "59999", "ask": "60001", "fetched_ms": "5"}
    assert (found.order["side"], found.order["price"]) == ("BUY", "60000")
    assert (found.environment, found.outcome) == ("paper", "done")
    assert found.approved_ms == room.clock.now_ms()
    proposal = str(found.statement.fields["proposal"])
    assert receipt(room, proposal.lower()) == receipt(room, name)


def test_any_changed_byte_is_found(room: Room, authenticator: Authenticator) -> None:
    """Every byte of the file, in three ways."""
    content = receipt(room, ordered(room, authenticator))
    for place in range(len(content)):
        for changed in (content[place] ^ 1, content[place] ^ 0x20, 0x20):
            if changed == content[place]:
                continue
            with pytest.raises(NotAReceipt):
                check_receipt(content[:place] + bytes([changed]) + content[place + 1 :])
    for changed_file in (
        content[:-1],
        content + b"\n",
        content[1:],
        content.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + content,
    ):
        with pytest.raises(NotAReceipt):
            check_receipt(changed_file)


def _statement(field: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["data"]["statement"]["fields"][field] = value

    return change


FORGERIES: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "price": ("approval", _statement("shown_bid", "1"), "not for what was shown"),
    "market": ("approval", _statement("market", None), "not for what was shown"),
    "account": ("approval", _statement("account", "mallory"), "not for what was shown"),
    "name": ("approval", lambda body: body["data"]["proof"].update(passkey="phone"), "another name"),
    "signature": (
        "approval", lambda body: body["data"]["proof"]["assertion"].update(signature="AAAA"), "does not verify",
    ),
    "kind": ("approval", lambda body: body["data"].update(kind="armed"), "not of an approval"),
    "statement": ("approval", lambda body: body["data"].update(statement=1), "cannot be read"),
    "order": ("intent", lambda body: body["data"]["order"].update(price="69000"), "the order that was agreed to"),
    "asked": ("intent", lambda body: body["data"]["asked"].update(price="69000"), "the asked that"),
    "policy": ("intent", lambda body: body["data"].update(policy="x"), "the policy that"),
    "environment": ("intent", lambda body: body.update(environment="live"), "the environment that"),
    "proposal": ("intent", lambda body: body["data"].update(proposal="OTHER2"), "the proposal that"),
    "call": ("outcome", lambda body: body.update(call_id="other"), "another call"),
    "registered name": (
        "registration", lambda body: body["data"]["statement"]["fields"].update(name="phone"), "another name",
    ),
    "registered key": ("registration", lambda body: body["data"].update(public_key="AA"), "another key"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_receipt_is_refused_although_its_digests_fit(
    room: Room, authenticator: Authenticator, forgery: str
) -> None:
    """What the signature covers cannot be made to fit."""
    document = json.loads(receipt(room, ordered(room, authenticator)))
    row, change, why = FORGERIES[forgery]
    document[row] = with_body(document[row], change)
    with pytest.raises(NotAReceipt) as refused:
        check_receipt(resealed(document))
    assert why in refused.value.why


@pytest.mark.parametrize("row", ["approval", "intent"])
def test_receipt_without_one_of_its_rows_is_none(room: Room, authenticator: Authenticator, row: str) -> None:
    """Neither is one whose row has a digest of something else."""
    document = json.loads(receipt(room, ordered(room, authenticator)))
    with pytest.raises(NotAReceipt, match="is missing"):
        check_receipt(resealed({**document, row: None}))
    with pytest.raises(NotAReceipt, match=f"the row of the {row} was changed"):
        check_receipt(resealed({**document, row: {**document[row], "seq": 999}}))
    broken: object
    for broken in ([], {}, {**document[row], "seq": "x"}, {**document[row], "prev_hash": "x"}):
        with pytest.raises(NotAReceipt, match=f"the row of the {row} cannot be read"):
            check_receipt(resealed({**document, row: broken}))


def test_approval_after_the_order_is_refused(room: Room, authenticator: Authenticator) -> None:
    """A yes that came later allowed nothing."""
    document = json.loads(receipt(room, ordered(room, authenticator)))
    row = {**document["approval"], "seq": document["intent"]["seq"] + 1}
    document["approval"], document["registration"] = with_body(row, lambda _body: None), None
    with pytest.raises(NotAReceipt, match="came after the order"):
        check_receipt(resealed(document))


def test_receipt_says_where_the_registration_or_the_outcome_is_missing(
    room: Room, authenticator: Authenticator
) -> None:
    """The signature still shows that the key approved it."""
    document = json.loads(receipt(room, ordered(room, authenticator)))
    found = check_receipt(resealed({**document, "registration": None, "outcome": None}))
    assert not found.is_registered
    assert found.outcome is None


def test_order_under_a_mandate_has_the_receipt_of_the_mandate(room: Room, authenticator: Authenticator) -> None:
    """What was signed is the budget, the symbols and the time."""
    armed(room, signature(room, authenticator, mandate_statement(terms(room))))
    placed = room.ask().data
    assert isinstance(placed, OrderPlaced)
    content = receipt(room, placed.order.client_order_id)
    assert check_receipt(content).statement == mandate_statement(terms(room))
    document = json.loads(content)
    document["intent"] = with_body(document["intent"], lambda body: body["data"]["order"].update(symbol="ETHUSDT"))
    with pytest.raises(NotAReceipt, match="does not name the order's symbol"):
        check_receipt(resealed(document))


@pytest.mark.parametrize(("policy", "kind"), [(PIN, Proof.PIN), (TERMINAL, Proof.TERMINAL)])
def test_receipt_of_an_unsigned_approval_says_what_it_was(room: Room, policy: dict[str, Any], kind: Proof) -> None:
    """It has no fingerprint: nothing in it proves anything."""
    room.policy(policy)
    if kind is Proof.PIN:
        with room.journal.transaction() as tx:
            tx.approvers.note_pin(is_set=True)
    proposal = proposal_of(room, room.propose())
    placed = room.use(approve(room, proposal, ProofGiven(kind=kind))).data
    assert isinstance(placed, OrderPlaced)
    found = check_receipt(receipt(room, placed.order.client_order_id))
    assert (found.proof.kind, found.fingerprint, found.is_registered) == (kind, None, False)


def test_order_that_nobody_was_asked_about_has_no_receipt(room: Room) -> None:
    """Nor has an order that is not there."""
    placed = room.ask().data
    assert isinstance(placed, OrderPlaced)
    with pytest.raises(NotAReceipt, match="nobody was asked"):
        receipt(room, placed.order.client_order_id)
    with pytest.raises(StoreConflict, match="no such order"):
        receipt(room, "g1-none")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"), (b"\xff", "not JSON"), (b"[" * 100_000, "not JSON"), (b"[]", "not of the format"),
        (b'{"format":"other"}', "not of the format"), (b'{"format":"guardian/receipt/v1"}', "was changed"),
        (b" " * (MAX_BYTES + 1), "larger than any receipt"),
    ],
)  # fmt: skip
def test_what_is_no_receipt_is_said(content: bytes, why: str) -> None:
    """In a sentence."""
    with pytest.raises(NotAReceipt) as refused:
        check_receipt(content)
    assert why in refused.value.why


def test_receipt_is_checked_by_a_command_without_any_home(
    room: Room, authenticator: Authenticator, tmp_path: Path
) -> None:
    """On a machine that has guardian and the file; nothing is made there."""
    file, elsewhere = tmp_path / "receipt.json", tmp_path / "elsewhere"
    file.write_bytes(receipt(room, ordered(room, authenticator)))
    command = [sys.executable, "-m", "guardian", "audit", "receipt", "--check", str(file)]
    environment = {"GUARDIAN_HOME": str(elsewhere), "HOME": str(elsewhere), "PATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "the passkey `laptop`, fingerprint" in done.stdout
    assert "59999/60001 with the question, 60000/60001 when it was proposed" in done.stdout
    assert not elsewhere.exists()
    file.write_bytes(file.read_bytes().replace(b"60000", b"60001", 1))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "not a receipt that holds" in done.stderr
