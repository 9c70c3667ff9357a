"""Takes the owner's yes from a USB security key at the terminal, for `--usb-key`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from guardian.cli.support.render import say
from guardian.domain.owner.proof import ProofGiven
from guardian.domain.owner.statement import Statement
from guardian.domain.secrets import Secret
from guardian.errors import ProofRefused

if TYPE_CHECKING:
    from fido2.ctap import CtapDevice

    from guardian.gate.owner.agreement import Agreement

LOOK_S: Final = 0.25
"""How often it is looked whether the question is over."""


def agree_by_usb_key(
    agreement: Agreement,
    statement: Statement,
    question: str,
    *,
    ask_pin: Callable[[Callable[[], bool]], Secret],
    is_over: Callable[[], bool],
    keys: Callable[[], Iterable[CtapDevice]] | None = None,
) -> ProofGiven | None:
    """Have the key that is plugged in sign the statement; None once `is_over`. Ctrl-C is the no.

    `ask_pin` asks for the key's own PIN until what it is given is true.

    Raises:
        ProofRefused: there is no passkey, or what the key signed proves nothing.
        OwnerNotPresent: the key signed nothing.
        StoreError: the log took no row.
    """
    from guardian.proofs.usb_key import ORIGIN, signed_by_usb_key, usb_keys

    asked = agreement.question(statement)
    options = agreement.options(asked)
    if not options["publicKey"].get("allowCredentials"):
        raise ProofRefused("you have no passkey that a key could sign with", hint="`guardian passkey add NAME`")
    say(f"{question} your security key answers; Ctrl-C for no")
    stop = threading.Event()
    answer: Future[Any] = Future()

    def sign() -> None:
        try:
            found = signed_by_usb_key(
                options, say=say, ask_pin=lambda: ask_pin(stop.is_set), stop=stop, keys=keys or usb_keys
            )
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the answer is waited for
            answer.set_exception(error)
        else:
            answer.set_result(found)

    signing = threading.Thread(target=sign, name="security key")
    signing.start()
    try:
        while not answer.done() and not is_over():
            signing.join(LOOK_S)
    finally:
        stop.set()
        signing.join()
    if is_over():
        return None
    return agreement.by_passkey(asked, answer.result(), origin=ORIGIN)
