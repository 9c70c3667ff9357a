"""A passkey proves one statement, once, on guardian's page, with user verification; nothing else does."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain.owner.proof import Passkey, ProofGiven
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.proofs.passkeys import (
    NotProven,
    assertion_options,
    decoded,
    encoded,
    fingerprint,
    registration_options,
    verify_assertion,
    verify_given,
    verify_registration,
)
from tests.support.authenticator import ORIGIN, USER_PRESENT, USER_VERIFIED, Authenticator

ORDER = Statement(kind=StatementKind.ORDER, fields={"order": {"side": "BUY", "price": "60601"}, "account": "a"})
NONCE = bytes(range(32))


def registered(authenticator: Authenticator) -> Passkey:
    """The passkey that an authenticator makes."""
    challenge = ORDER.challenge(os.urandom(32))
    options = registration_options(challenge, [])
    return verify_registration(
        authenticator.create(options), challenge=challenge, origin=ORIGIN, name="laptop", now_ms=1
    )


def signed(authenticator: Authenticator, statement: Statement = ORDER, nonce: bytes = NONCE) -> dict[str, Any]:
    """An authenticator's answer to a question about a statement."""
    return authenticator.get(assertion_options(statement.challenge(nonce), []))


def verified(
    response: object, passkey: Passkey, statement: Statement = ORDER, nonce: bytes = NONCE
) -> tuple[ProofGiven, int]:
    """What the answer proves."""
    return verify_assertion(response, statement=statement, nonce=nonce, origin=ORIGIN, passkeys=[passkey])


@pytest.fixture
def authenticator() -> Authenticator:
    """One that works."""
    return Authenticator()


@pytest.mark.parametrize("make", [Authenticator, lambda: Authenticator(key=Ed25519PrivateKey.generate())])
def test_registered_passkey_proves_the_order_that_it_signed(make: Callable[[], Authenticator]) -> None:
    """The proof verifies at once, and again from its record alone."""
    authenticator = make()
    passkey = registered(authenticator)
    proof, counter = verified(signed(authenticator), passkey)
    assert (proof.passkey_name, counter) == ("laptop", 1)
    verify_given(proof, ORDER)


CHANGED = [
    Statement(kind=StatementKind.ORDER, fields={**ORDER.fields, "order": {"side": "BUY", "price": "69601"}}),
    Statement(kind=StatementKind.ORDER, fields={**ORDER.fields, "account": "b"}),
    Statement(kind=StatementKind.ORDER, fields={**ORDER.fields, "more": None}),
    Statement(kind=StatementKind.MANDATE, fields=ORDER.fields),
]


@pytest.mark.parametrize("statement", CHANGED)
def test_signature_over_one_statement_proves_no_other(authenticator: Authenticator, statement: Statement) -> None:
    """A changed price, account, field or kind is another statement."""
    passkey = registered(authenticator)
    with pytest.raises(NotProven, match="not for what was shown"):
        verified(signed(authenticator), passkey, statement)
    proof, _ = verified(signed(authenticator), passkey)
    with pytest.raises(NotProven):
        verify_given(proof, statement)


def test_answer_to_an_earlier_question_is_refused(authenticator: Authenticator) -> None:
    """The nonce makes each question new."""
    passkey = registered(authenticator)
    with pytest.raises(NotProven, match="not for what was shown"):
        verified(signed(authenticator, nonce=os.urandom(32)), passkey)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"flags": USER_PRESENT}, "did not verify who used it"),
        ({"flags": USER_VERIFIED}, "nobody touched"),
        ({"origin": "http://localhost:9999"}, "another page"),
        ({"origin": "https://evil.example"}, "another page"),
        ({"relying_party": "evil"}, "another site"),
        ({"name": b"another credential, 32 bytes...."}, "not registered"),
    ],
)
def test_answer_that_lacks_what_makes_it_a_proof_is_refused(
    authenticator: Authenticator, change: dict[str, Any], why: str
) -> None:
    """User verification and presence, guardian's page, guardian's site, a registered passkey."""
    passkey = registered(authenticator)
    for name, value in change.items():
        setattr(authenticator, name, value)
    with pytest.raises(NotProven, match=why):
        verified(signed(authenticator), passkey)


@pytest.mark.parametrize("field", ["crossOrigin", "topOrigin"])
def test_question_inside_another_page_proves_nothing(authenticator: Authenticator, field: str) -> None:
    """A page that frames guardian's could hide what is approved."""
    passkey = registered(authenticator)
    authenticator.change_client_data = lambda data: data.update(
        {field: True if field == "crossOrigin" else "https://x"}
    )
    with pytest.raises(NotProven, match="inside another page"):
        verified(signed(authenticator), passkey)


def test_another_key_under_the_same_id_is_refused(authenticator: Authenticator) -> None:
    """The id is public; the key is not."""
    passkey = registered(authenticator)
    with pytest.raises(NotProven, match="signature does not verify"):
        verified(signed(Authenticator()), passkey)


@pytest.mark.parametrize(("kept", "sent", "is_proof"), [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False),
                                                        (5, 4, False), (5, 0, False)])  # fmt: skip
def test_sign_counter_has_to_grow(authenticator: Authenticator, kept: int, sent: int, is_proof: bool) -> None:
    """A counter that stands still is that of a copy; platform passkeys keep none, and say 0 each time."""
    passkey = replace(registered(authenticator), sign_count=kept)
    authenticator.counts, authenticator.counter = False, sent
    if is_proof:
        assert verified(signed(authenticator), passkey)[1] == sent
    else:
        with pytest.raises(NotProven, match="sign counter"):
            verified(signed(authenticator), passkey)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_one_changed_byte_of_an_answer_proves_nothing(data: st.DataObject) -> None:
    """Whatever is changed in what the browser sent, wherever."""
    # Ed25519, whose signatures are all of one length.
    authenticator = Authenticator(key=Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    passkey, response = registered(authenticator), signed(authenticator)
    name = data.draw(st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]))
    raw = bytearray(decoded(response["response"][name]))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    response["response"][name] = encoded(bytes(raw))
    with pytest.raises(NotProven):
        verified(response, passkey)


@pytest.mark.parametrize(
    "response",
    [
        None, [], "x", {}, {"rawId": 1}, {"rawId": "!", "response": {}}, {"rawId": "AA", "response": None},
        {"rawId": "AA", "response": {"clientDataJSON": "AA==", "authenticatorData": "AA", "signature": "AA"}},
        {"rawId": "x" * 20_000, "response": {}},
    ],
)  # fmt: skip
def test_answer_that_is_none_of_a_browser_is_refused(authenticator: Authenticator, response: object) -> None:
    """Nothing but a refusal, whatever a program posts."""
    with pytest.raises(NotProven):
        verified(response, registered(authenticator))
    with pytest.raises(NotProven):
        verify_registration(response, challenge=b"x" * 64, origin=ORIGIN, name="n", now_ms=1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"flags": USER_PRESENT}, "did not verify who used it"),
        ({"origin": "http://localhost:9999"}, "another page"),
        ({"relying_party": "evil"}, "another site"),
    ],
)
def test_passkey_that_verifies_nobody_is_not_registered(
    authenticator: Authenticator, change: dict[str, Any], why: str
) -> None:
    """It could not be used either."""
    for name, value in change.items():
        setattr(authenticator, name, value)
    with pytest.raises(NotProven, match=why):
        registered(authenticator)


def test_registration_for_an_earlier_question_is_refused(authenticator: Authenticator) -> None:
    """A recorded registration registers nothing."""
    answer = authenticator.create(registration_options(b"x" * 64, []))
    with pytest.raises(NotProven, match="not for what was shown"):
        verify_registration(answer, challenge=b"y" * 64, origin=ORIGIN, name="n", now_ms=1)


def test_options_demand_user_verification_on_localhost(authenticator: Authenticator) -> None:
    """What the browser is given."""
    passkey = registered(authenticator)
    options = assertion_options(b"x" * 64, [passkey])["publicKey"]
    assert (options["rpId"], options["userVerification"]) == ("localhost", "required")
    assert [one["id"] for one in options["allowCredentials"]] == [passkey.credential_id]
    made = registration_options(b"x" * 64, [passkey])["publicKey"]
    assert made["rp"]["id"] == "localhost"
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert [one["id"] for one in made["excludeCredentials"]] == [passkey.credential_id]


def test_record_of_another_origin_does_not_verify(authenticator: Authenticator) -> None:
    """A receipt is checked against the one site that guardian's page can have."""
    passkey = registered(authenticator)
    proof, _ = verified(signed(authenticator), passkey)
    assert proof.assertion is not None
    for origin in ("https://localhost:1", "http://127.0.0.1:1", "http://localhost.evil:1"):
        with pytest.raises(NotProven):
            verify_given(replace(proof, assertion=replace(proof.assertion, origin=origin)), ORDER)
    with pytest.raises(NotProven, match="no assertion"):
        verify_given(replace(proof, assertion=None), ORDER)


def test_fingerprint_names_the_key_and_not_the_credential(authenticator: Authenticator) -> None:
    """Two authenticators have two fingerprints."""
    assert fingerprint(registered(authenticator).public_key) != fingerprint(registered(Authenticator()).public_key)
