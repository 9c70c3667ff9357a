"""Has a USB security key sign an owner's yes from the terminal, without a browser: CTAP2 over HID, by `fido2`.

The key signs what a browser's page would have it sign; the page's origin is `http://localhost`, without a port.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from fido2.client import ClientError, DefaultClientDataCollector, Fido2Client, PinRequiredError, UserInteraction
from fido2.ctap import CtapDevice
from fido2.ctap2.pin import ClientPin
from fido2.webauthn import PublicKeyCredentialRequestOptions

from guardian.domain.secrets import Secret
from guardian.errors import OwnerNotPresent

ORIGIN: Final = "http://localhost"
_TROUBLES: Final = {
    ClientError.ERR.CONFIGURATION_UNSUPPORTED: "it has neither a PIN nor a fingerprint set, so it cannot verify you",
    ClientError.ERR.DEVICE_INELIGIBLE: "none of your passkeys is on it",
    ClientError.ERR.TIMEOUT: "it was not touched in time, or the question is over",
}


def usb_keys() -> Iterable[CtapDevice]:
    """Returns the security keys that are plugged in. Raises OSError."""
    from fido2.hid import CtapHidDevice

    return CtapHidDevice.list_devices()


class _AtTerminal(UserInteraction):
    def __init__(self, say: Callable[[str], None], ask_pin: Callable[[], Secret]) -> None:
        self._say = say
        self._ask_pin = ask_pin

    def prompt_up(self) -> None:
        self._say("touch your security key now")

    def request_pin(self, permissions: ClientPin.PERMISSION, rp_id: str | None) -> str | None:  # noqa: ARG002 - fido2's
        return self._ask_pin().reveal() or None

    def request_uv(self, permissions: ClientPin.PERMISSION, rp_id: str | None) -> bool:  # noqa: ARG002 - fido2's
        self._say("your security key verifies you now: follow its light")
        return True


def signed_by_usb_key(
    options: Mapping[str, Any],
    *,
    say: Callable[[str], None],
    ask_pin: Callable[[], Secret],
    stop: threading.Event,
    keys: Callable[[], Iterable[CtapDevice]] = usb_keys,
) -> Mapping[str, Any]:
    """Returns the answer of the one key that is plugged in, as a browser gives it; `stop` ends the waiting for it.

    `options` is the argument of `navigator.credentials.get`, as JSON data; `ask_pin` asks for the key's own PIN.

    Raises:
        OwnerNotPresent: there is no key or more than one, none of the passkeys is on it, or it was not touched.
    """
    key = _the_one(keys)
    try:
        client = Fido2Client(key, DefaultClientDataCollector(ORIGIN), _AtTerminal(say, ask_pin))
        wanted = PublicKeyCredentialRequestOptions.from_dict(options["publicKey"])
        return dict(client.get_assertion(wanted, event=stop).get_response(0))
    except PinRequiredError:
        raise OwnerNotPresent(
            "the security key signed nothing: its PIN was not typed", hint="nothing was approved"
        ) from None
    except ClientError as error:
        why = _TROUBLES.get(error.code, "it refused")
        raise OwnerNotPresent(f"the security key signed nothing: {why}", hint="nothing was approved") from None
    except (OSError, ValueError):
        raise OwnerNotPresent(
            "the security key signed nothing: it could not be read", hint="nothing was approved"
        ) from None
    finally:
        key.close()


def _the_one(keys: Callable[[], Iterable[CtapDevice]]) -> CtapDevice:
    try:
        found = list(keys())
    except OSError as error:
        raise OwnerNotPresent(
            f"no security key can be looked for: {error.strerror or 'no reason given'}",
            hint="leave `--usb-key` out to sign on a page",
        ) from None
    if len(found) == 1:
        return found[0]
    for key in found:
        key.close()
    if found:
        raise OwnerNotPresent(f"{len(found)} security keys are plugged in", hint="leave one of them in")
    raise OwnerNotPresent(
        "no security key is plugged in", hint="plug it in, or leave `--usb-key` out to sign on a page"
    )
