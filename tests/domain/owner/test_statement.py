"""What a person agrees to has one canonical text, and every field of it is in the digest."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.domain.owner.proof import Assertion, Proof, ProofGiven, proof_from, stronger
from guardian.domain.owner.statement import NONCE_BYTES, Statement, StatementKind, statement_from

TEXT = st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
)
FIELDS = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), VALUES, max_size=5)
STATEMENTS = st.builds(Statement, kind=st.sampled_from(StatementKind), fields=FIELDS)


@given(STATEMENTS, STATEMENTS)
def test_digests_are_equal_exactly_where_the_statements_are(one: Statement, other: Statement) -> None:
    """Two statements share a digest only if they say the same."""
    assert (one.digest() == other.digest()) == (one.as_dict() == other.as_dict())


@given(STATEMENTS)
def test_statement_survives_being_written_and_read(statement: Statement) -> None:
    """What is in the log is the statement that was signed."""
    assert statement_from(statement.as_dict()) == statement


def test_digest_is_what_is_documented() -> None:
    """Another implementation computes the same challenge."""
    statement = Statement(kind=StatementKind.ORDER, fields={"b": "2", "a": None})
    text = b'{"fields":{"a":null,"b":"2"},"kind":"order","v":1}'
    assert statement.canonical() == text
    expected = hashlib.sha256(b"guardian/approval/v1\0" + text).digest()
    assert statement.challenge(b"n" * NONCE_BYTES) == b"n" * NONCE_BYTES + expected


@pytest.mark.parametrize("length", [0, 31, 33])
def test_nonce_of_another_length_is_refused(length: int) -> None:
    """A shorter nonce could be repeated, and a longer one would move the digest."""
    with pytest.raises(ValueError, match="32 bytes"):
        Statement(kind=StatementKind.ORDER, fields={}).challenge(bytes(length))


@pytest.mark.parametrize("value", [1, 1.5, True, b"x", {1: "x"}, ["a", 2]])
def test_statement_holds_no_number(value: object) -> None:
    """Two readers could write a number in two ways."""
    with pytest.raises(TypeError):
        Statement(kind=StatementKind.ORDER, fields={"x": value}).canonical()


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"v": 2, "kind": "order", "fields": {}},
        {"v": 1, "kind": "other", "fields": {}},
        {"v": 1, "kind": "order", "fields": []},
        {"v": 1, "kind": "order", "fields": {"a": 1}},
        {"v": 1, "kind": "order", "fields": {"a": "\ud800"}},
        {"v": 1, "kind": "order", "fields": {}, "more": "x"},
    ],
)
def test_what_is_no_statement_is_refused(data: object) -> None:
    """Nothing is guessed from a row that was changed."""
    with pytest.raises(ValueError):
        statement_from(data)


ASSERTION = Assertion(
    credential_id="a", nonce="b", origin="http://localhost:1", client_data="c", authenticator_data="d", signature="e"
)
GIVEN = ProofGiven(kind=Proof.PASSKEY, assertion=ASSERTION, public_key="k", passkey_name="laptop")


@pytest.mark.parametrize("proof", [ProofGiven(kind=Proof.TERMINAL), ProofGiven(kind=Proof.PIN), GIVEN])
def test_proof_survives_being_written_and_read(proof: ProofGiven) -> None:
    """What is in the log is the proof that was given."""
    assert proof_from(proof.as_record()) == proof


@pytest.mark.parametrize(
    "record",
    [
        None,
        "passkey",
        {},
        {"kind": "signature"},
        {"kind": "passkey"},
        {"kind": "pin", "assertion": {}},
        {**GIVEN.as_record(), "more": "x"},
        {**GIVEN.as_record(), "assertion": []},
        {**GIVEN.as_record(), "assertion": {"nonce": "x"}},
        {**GIVEN.as_record(), "assertion": dict.fromkeys(Assertion.__dataclass_fields__, 1)},
    ],
)
def test_what_is_no_proof_is_refused(record: object) -> None:
    """A row that was changed proves nothing."""
    with pytest.raises(ValueError):
        proof_from(record)


def test_passkey_is_stronger_than_a_pin_and_a_pin_than_a_terminal() -> None:
    """The order that floors and demands are compared by."""
    assert sorted(Proof, key=lambda proof: proof.strength) == [Proof.TERMINAL, Proof.PIN, Proof.PASSKEY]
    for one in Proof:
        for other in Proof:
            assert stronger(one, other).meets(one)
            assert stronger(one, other).meets(other)
            assert one.meets(other) == (one.strength >= other.strength)
