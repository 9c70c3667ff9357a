"""Registers and verifies passkeys by WebAuthn, with `fido2` as the server.

The relying party is `localhost`: WebAuthn takes no IP address. User verification (a fingerprint, a face, a device PIN)
is required each time, so that a touch alone, or a program that clicks, proves nothing.

Source of the checks: https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from fido2 import cbor
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticatorData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from guardian.domain.owner.proof import Assertion, Passkey, Proof, ProofGiven
from guardian.domain.owner.statement import Statement

RELYING_PARTY: Final = "localhost"
MAX_RESPONSE: Final = 16_384
"""Characters of a browser's whole answer; one is under 4,000."""
_ORIGIN: Final = re.compile(r"http://localhost(?::[1-9][0-9]{0,4})?")
_USER: Final = PublicKeyCredentialUserEntity(id=b"guardian-owner", name="guardian", display_name="guardian's owner")
_REQUIRED: Final = UserVerificationRequirement.REQUIRED
_NO_AAGUID: Final = bytes(16)


class NotProven(Exception):
    """The answer proves nothing. `why` is a sentence for the log and the person, without text from outside."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def encoded(value: bytes) -> str:
    """Returns bytes as base64url without padding."""
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """Returns the bytes of base64url without padding. Raises ValueError for any other text, padded text among it."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("not base64url")
    value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encoded(value) != text:
        raise ValueError("not the one form of its bytes")
    return value


def fingerprint(public_key: str) -> str:
    """Returns 16 hex digits that name a public key."""
    return sha256(b"guardian/passkey\0" + decoded(public_key)).hexdigest()[:16]


def registration_options(challenge: bytes, existing: Sequence[Passkey]) -> Mapping[str, Any]:
    """Returns the argument of `navigator.credentials.create` as JSON data, bytes as base64url."""
    options, _ = _server(None).register_begin(
        _USER,
        credentials=[_descriptor(passkey.credential_id) for passkey in existing],
        user_verification=_REQUIRED,
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        challenge=challenge,
    )
    return dict(options)


def verify_registration(response: object, *, challenge: bytes, origin: str, name: str, now_ms: int) -> Passkey:
    """Returns the passkey that a browser made for this challenge. Raises NotProven."""
    try:
        data = _server(origin).register_complete(_state(challenge), _bounded(response))
        made = _credential_in(data)
        public_key = encoded(cbor.encode(dict(made.public_key)))
        _check_key(public_key)
    except NotProven:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign answer makes of the parser, it is no passkey
        raise NotProven(_why(error)) from None
    return Passkey(
        credential_id=encoded(made.credential_id),
        public_key=public_key,
        name=name,
        sign_count=data.counter,
        created_ms=now_ms,
    )


def _credential_in(data: AuthenticatorData) -> AttestedCredentialData:
    if data.credential_data is None:
        raise NotProven("the authenticator made no credential")
    return data.credential_data


def assertion_options(challenge: bytes, passkeys: Sequence[Passkey]) -> Mapping[str, Any]:
    """Returns the argument of `navigator.credentials.get` as JSON data, bytes as base64url."""
    options, _ = _server(None).authenticate_begin(
        [_descriptor(passkey.credential_id) for passkey in passkeys],
        user_verification=_REQUIRED,
        challenge=challenge,
    )
    return dict(options)


def verify_assertion(
    response: object, *, statement: Statement, nonce: bytes, origin: str, passkeys: Sequence[Passkey]
) -> tuple[ProofGiven, int]:
    """Returns what a browser's answer proves about a statement, and the authenticator's sign counter.

    Raises NotProven: for another statement or nonce, from another page, without user verification, by a passkey that
    is not among `passkeys`, or with a counter that did not grow, which a copied authenticator has.
    """
    try:
        given = _assertion_in(_bounded(response), nonce, origin)
    except NotProven:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise NotProven(_why(error)) from None
    passkey = next((one for one in passkeys if one.credential_id == given.credential_id), None)
    if passkey is None:
        raise NotProven("the passkey is not registered")
    _verify(given, statement, passkey.public_key, origin)
    counter = AuthenticatorData(decoded(given.authenticator_data)).counter
    if (counter or passkey.sign_count) and counter <= passkey.sign_count:
        raise NotProven(
            f"the passkey's sign counter is {counter} after {passkey.sign_count}: it was used before, or copied"
        )
    proof = ProofGiven(kind=Proof.PASSKEY, assertion=given, public_key=passkey.public_key, passkey_name=passkey.name)
    return proof, counter


def verify_given(proof: ProofGiven, statement: Statement) -> None:
    """Verifies a proof as it was recorded, without the registry, on any machine. Raises NotProven."""
    if proof.kind is not Proof.PASSKEY:
        return
    if proof.assertion is None or proof.public_key is None:
        raise NotProven("there is no assertion")
    if not _ORIGIN.fullmatch(proof.assertion.origin):
        raise NotProven("the assertion was made for another page than guardian's")
    _verify(proof.assertion, statement, proof.public_key, proof.assertion.origin)


def _verify(given: Assertion, statement: Statement, public_key: str, origin: str) -> None:
    try:
        nonce, identifier = decoded(given.nonce), decoded(given.credential_id)
        key = _cose_key(public_key)
        credential = AttestedCredentialData.create(_NO_AAGUID, identifier, key)
        _server(origin).authenticate_complete(
            _state(statement.challenge(nonce)),
            [credential],
            {
                "id": given.credential_id,
                "rawId": given.credential_id,
                "type": PublicKeyCredentialType.PUBLIC_KEY.value,
                "clientExtensionResults": {},
                "response": {
                    "clientDataJSON": given.client_data,
                    "authenticatorData": given.authenticator_data,
                    "signature": given.signature,
                },
            },
        )
        _refuse_cross_origin(decoded(given.client_data))
    except NotProven:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise NotProven(_why(error)) from None


def _assertion_in(response: Mapping[str, Any], nonce: bytes, origin: str) -> Assertion:
    inner = response["response"]
    fields = {
        "credential_id": response["rawId"],
        "client_data": inner["clientDataJSON"],
        "authenticator_data": inner["authenticatorData"],
        "signature": inner["signature"],
    }
    for text in fields.values():
        decoded(text)
    return Assertion(nonce=encoded(nonce), origin=origin, **fields)


def _refuse_cross_origin(client_data: bytes) -> None:
    """A page of another origin that frames guardian's is no place to agree on."""
    found = json.loads(client_data)
    if found.get("crossOrigin") is True or "topOrigin" in found:
        raise NotProven("the question was shown inside another page")


def _cose_key(public_key: str) -> CoseKey:
    found = cbor.decode(decoded(public_key))
    if not isinstance(found, Mapping):
        raise ValueError("a public key is a CBOR map")  # noqa: TRY004 - the one error of what is read
    return CoseKey.parse(dict(found))


def _check_key(public_key: str) -> None:
    if type(_cose_key(public_key)).__name__ == "UnsupportedKey":
        raise NotProven("the authenticator's kind of key is not known")


def _bounded(response: object) -> Mapping[str, Any]:
    if not isinstance(response, Mapping) or len(json.dumps(response)) > MAX_RESPONSE:
        raise NotProven("the answer is not one of a browser's")
    return response


def _server(origin: str | None) -> Fido2Server:
    return Fido2Server(
        PublicKeyCredentialRpEntity(name="guardian", id=RELYING_PARTY),
        verify_origin=lambda found: origin is not None and found == origin,
    )


def _state(challenge: bytes) -> dict[str, Any]:
    return {"challenge": encoded(challenge), "user_verification": _REQUIRED}


def _descriptor(credential_id: str) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=decoded(credential_id))


_SENTENCES: Final = {
    "Incorrect type in CollectedClientData.": "the answer is of another kind",
    "Invalid origin in CollectedClientData.": "the question was shown on another page than guardian's",
    "Wrong challenge in response.": "the signature is not for what was shown now",
    "Wrong RP ID hash in response.": "the passkey is for another site",
    "User Present flag not set.": "nobody touched the authenticator",
    "User verification required, but user verified flag not set.": "the authenticator did not verify who used it",
    "User verification required, but User Verified flag not set.": "the authenticator did not verify who used it",
    "Invalid signature.": "the signature does not verify",
    "Unknown credential ID.": "the passkey is not registered",
}


def _why(error: Exception) -> str:
    """Returns a sentence of guardian's for an error of fido2; foreign text is not repeated."""
    return _SENTENCES.get(str(error), "the answer cannot be read")
