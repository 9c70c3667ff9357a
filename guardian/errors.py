"""The exceptions of guardian. Each class says what has and what has not happened.

GuardianError
├── InvalidArguments          the arguments are wrong; nothing was judged and nothing was sent
├── PolicyInvalid             the policy text is wrong; carries every mistake
├── StoreError                the log and the orders
│   ├── StoreUnavailable      could not be opened, read or written; nothing was recorded
│   │   └── NotPrivate        a file or folder is another user's, open to others, or a link; it was not used
│   ├── StoreConflict         an interlock held: what was tried had been done already; nothing was recorded
│   ├── StoreLost             the log is gone from a home that had one; nothing was recorded
│   └── StoreCorrupt          the file is not a guardian store, or it is damaged
├── ExchangeError             the way to the exchange
│   ├── RequestRefused        not on the environment's list; never signed, never sent
│   ├── NotSent               given up before the first byte left; nothing happened
│   ├── ExchangeRejected      the exchange said no; carries its code and its text
│   ├── ExchangeRateLimited   the exchange said later; carries the seconds to wait; nothing happened
│   ├── ExchangeUnavailable   a read had no usable answer; nothing happened
│   └── OutcomeUnknown        an order or a cancel was sent and no usable answer came; it may have happened
├── CredentialsError          the keys
│   ├── NoCredentials         none is stored for this environment
│   └── KeyringUnavailable    no allowed keyring, or it is locked, or it did not answer
│       ├── VaultLocked       the vault's passphrase was not given, or it is not the one; nothing was read
│       └── VaultDamaged      the vault is not as guardian wrote it; nothing in it was used
├── ClientConfigUnusable      another program's configuration cannot be edited; it is as it was
└── OwnerNotPresent           a command that loosens something was not given by a person at a terminal
    └── ProofRefused          what was given does not prove that the owner agrees; nothing was changed
"""

from __future__ import annotations

from dataclasses import dataclass


class GuardianError(Exception):
    """The base of all of guardian's exceptions: what went wrong, and what to do next.

    `message` is a sentence for a person, without secrets and without text from outside. `hint` is the next step.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ArgumentMistake:
    """One thing that is wrong with the arguments: the field as the caller named it, and what it should be."""

    field: str
    message: str


class InvalidArguments(GuardianError):
    """The arguments are wrong. Nothing was judged and nothing was sent."""

    def __init__(self, mistakes: tuple[ArgumentMistake, ...], *, hint: str | None = None) -> None:
        super().__init__("; ".join(f"{m.field}: {m.message}" for m in mistakes), hint=hint)
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class PolicyMistake:
    """One mistake in a policy: its dotted key, its line where it is known (1 is the first), and what is wrong."""

    key: str
    message: str
    line: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        key = f"`{self.key}`: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{key}{self.message}{hint}"


class PolicyInvalid(GuardianError):
    """The policy text is wrong. No part of it is in force."""

    def __init__(self, mistakes: tuple[PolicyMistake, ...], *, hint: str | None = None) -> None:
        super().__init__("; ".join(str(m) for m in mistakes), hint=hint)
        self.mistakes = mistakes


class StoreError(GuardianError):
    """The store failed. Nothing was recorded."""


class StoreUnavailable(StoreError):
    """The store could not be opened, read or written. Nothing was recorded."""


class NotPrivate(StoreUnavailable):
    """A file or folder of guardian's belongs to another user, is open to others, or is a link. It was not used."""


class StoreConflict(StoreError):
    """An interlock of the store held: what was tried had been done already. Nothing was recorded."""


class StoreLost(StoreError):
    """The log is gone from a home that had one, and a new one is not begun without the owner. Nothing was recorded."""


class StoreCorrupt(StoreError):
    """The file is not a guardian store, or it is damaged. Nothing was recorded."""


class ExchangeError(GuardianError):
    """The way to the exchange failed; the subclass says what has and has not happened there."""


class RequestRefused(ExchangeError):
    """The request is not on the environment's list. It was never signed and never sent."""


class NotSent(ExchangeError):
    """The request was given up before its first byte left, for instance because its timestamp had become too old.

    Nothing happened at the exchange.
    """


class ExchangeRejected(ExchangeError):
    """The exchange said no. Nothing happened there.

    `code` is Binance's error code (negative), `text` is its message: untrusted, already cleaned and bounded.
    """

    def __init__(self, code: int, text: str, *, http_status: int, hint: str | None = None) -> None:
        super().__init__(f"the exchange refused the request (code {code})", hint=hint)
        self.code = code
        self.text = text
        self.http_status = http_status


class ExchangeRateLimited(ExchangeError):
    """The exchange said later (429 or 418). Nothing happened there. `retry_after_s` is in seconds."""

    def __init__(self, retry_after_s: int, *, banned: bool = False, hint: str | None = None) -> None:
        word = "banned this address" if banned else "asked to slow down"
        super().__init__(f"the exchange {word}; try again in {retry_after_s} s", hint=hint)
        self.retry_after_s = retry_after_s
        self.banned = banned


class ExchangeUnavailable(ExchangeError):
    """A read had no usable answer (network, time-out, 5xx, or a reply that is not JSON). Nothing happened."""


class OutcomeUnknown(ExchangeError):
    """An order or a cancel was sent and no usable answer came. It may have happened: ask, never resend."""


class CredentialsError(GuardianError):
    """Keys are unavailable."""


class NoCredentials(CredentialsError):
    """No key is stored for this environment."""


class KeyringUnavailable(CredentialsError):
    """No allowed keyring is present, or it is locked, or it did not answer in time."""


class VaultLocked(KeyringUnavailable):
    """The vault's passphrase was not given, or what was given does not open it. Nothing was read."""


class VaultDamaged(KeyringUnavailable):
    """The vault is not as guardian wrote it. Nothing in it was used."""


class ClientConfigUnusable(GuardianError):
    """The configuration of an MCP client cannot be edited, or it changes meanwhile. It is as it was."""


class OwnerNotPresent(GuardianError):
    """A command that loosens something was not given by a person at a terminal. Nothing was changed."""


class ProofRefused(OwnerNotPresent):
    """What was given does not prove that the owner agrees. Nothing was changed; the log has a row of it."""
