"""A USB security key signs an owner's yes from the terminal. The key is one in software; no real one was tried."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from fido2.ctap import CtapDevice

from guardian.domain.owner.proof import Passkey
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.secrets import Secret
from guardian.errors import OwnerNotPresent
from guardian.proofs.passkeys import NotProven, assertion_options, verify_assertion, verify_given
from guardian.proofs.usb_key import ORIGIN, signed_by_usb_key
from tests.support.security_key import SecurityKey, registered

NONCE = bytes(range(32))
STATEMENT = Statement(kind=StatementKind.ORDER, fields={"order": "BUY 0.001 BTCUSDT"})


def signed(
    passkeys: tuple[Passkey, ...], keys: Callable[[], Iterable[CtapDevice]], stop: threading.Event | None = None
) -> Any:
    options = assertion_options(STATEMENT.challenge(NONCE), passkeys)
    stop = stop or threading.Event()
    return signed_by_usb_key(options, say=lambda _words: None, ask_pin=lambda: Secret(""), stop=stop, keys=keys)


def test_what_the_key_signs_proves_the_statement_here_and_on_any_machine() -> None:
    """With user verification, for exactly this statement; the counter grows."""
    key = SecurityKey()
    passkey = registered(key)
    answer = signed((passkey,), lambda: [key])
    proof, counter = verify_assertion(answer, statement=STATEMENT, nonce=NONCE, origin=ORIGIN, passkeys=[passkey])
    assert counter > passkey.sign_count
    verify_given(proof, STATEMENT)
    other = Statement(kind=StatementKind.ORDER, fields={"order": "BUY 0.002 BTCUSDT"})
    with pytest.raises(NotProven):
        verify_given(proof, other)
    assert key.closed == 1


def test_answer_proves_nothing_for_another_nonce_or_page() -> None:
    """The gate takes no answer twice, and none of a page with a port."""
    key = SecurityKey()
    passkey = registered(key)
    answer = signed((passkey,), lambda: [key])
    for nonce, origin in ((bytes(32), ORIGIN), (NONCE, "http://localhost:1234")):
        with pytest.raises(NotProven):
            verify_assertion(answer, statement=STATEMENT, nonce=nonce, origin=origin, passkeys=[passkey])


@pytest.mark.parametrize(
    ("count", "verifies", "words"),
    [
        (0, True, "no security key is plugged in"),
        (2, True, "2 security keys are plugged in"),
        (1, True, "none of your passkeys is on it"),
        (1, False, "it cannot verify you"),
    ],
    ids=["none", "two", "another", "no verification"],
)
def test_key_that_cannot_sign_is_named_for_why(count: int, verifies: bool, words: str) -> None:
    """None, more than one, one without the passkey, and one that cannot verify its owner."""
    passkey = registered(SecurityKey())
    keys = [SecurityKey(verifies=verifies) for _ in range(count)]
    with pytest.raises(OwnerNotPresent, match=words):
        signed((passkey,), lambda: keys)
    assert all(key.closed for key in keys)


def test_key_that_nobody_touches_is_waited_for_until_the_question_is_over() -> None:
    """The order expired, or Ctrl-C: the key gives up, and nothing was signed."""
    key = SecurityKey()
    passkey = registered(key)
    key.is_touched = False
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(OwnerNotPresent, match="not touched in time"):
        signed((passkey,), lambda: [key], stop)
    assert key.closed == 1


def test_system_that_cannot_look_for_keys_says_so() -> None:
    """No permission for the device files, for instance."""

    def fails() -> Iterable[CtapDevice]:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(OwnerNotPresent, match="Permission denied"):
        signed((), fails)
