"""How the page gets an owner's yes: what is shown and signed, and what comes of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from guardian.bootstrap import Guardian
from guardian.errors import OwnerNotPresent


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofDemand:
    """What proves an owner's yes now."""

    proof: str
    """`terminal`, `pin` or `passkey`."""
    passkeys: tuple[str, ...] = ()
    """The names of the registered passkeys."""
    pending: tuple[str, ...] = ()
    """Changes of the owner's passkeys or PIN that take effect later, one sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuestion:
    """What the owner is asked, once."""

    handle: str
    """Names this question; the answer comes with it."""
    proof: str
    summary: tuple[str, ...]
    """Exactly what is agreed to, in words."""
    options: Mapping[str, Any] | None
    """The options of `navigator.credentials.get` or `create`, in JSON; None for a PIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResult:
    """What came of an answer."""

    done: bool
    message: str
    hint: str | None = None
    token: str | None = None
    """The one-time token for the assistant, where the order was not placed."""


class Approvals(Protocol):
    """Asks for the owner's yes and takes it. Raises GuardianError where nothing can be asked or was approved."""

    async def demand(self) -> ProofDemand:
        """What proves a yes now."""
        ...

    async def begin(self, proposal_id: str) -> PageQuestion:
        """The question about a proposal, on facts that are fetched for it."""
        ...

    async def finish(self, proposal_id: str, handle: str, proof: Mapping[str, Any], *, place: bool) -> ApprovalResult:
        """Verify the answer, approve, and place the order or return its token."""
        ...

    async def begin_registration(self, name: str) -> PageQuestion:
        """The question for a new passkey."""
        ...

    async def finish_registration(self, handle: str, proof: Mapping[str, Any]) -> ApprovalResult:
        """Verify the new passkey and register it."""
        ...


class TerminalOnly:
    """Where a yes is given in a terminal: the page asks for none."""

    async def demand(self) -> ProofDemand:
        """See `Approvals.demand`."""
        return ProofDemand(proof="terminal")

    async def begin(self, proposal_id: str) -> PageQuestion:
        """See `Approvals.begin`. Raises OwnerNotPresent."""
        raise _not_here(proposal_id)

    async def finish(self, proposal_id: str, handle: str, proof: Mapping[str, Any], *, place: bool) -> ApprovalResult:  # noqa: ARG002 - the protocol's
        """See `Approvals.finish`. Raises OwnerNotPresent."""
        raise _not_here(proposal_id)

    async def begin_registration(self, name: str) -> PageQuestion:
        """See `Approvals.begin_registration`. Raises OwnerNotPresent."""
        raise _not_here(name)

    async def finish_registration(self, handle: str, proof: Mapping[str, Any]) -> ApprovalResult:  # noqa: ARG002 - the protocol's
        """See `Approvals.finish_registration`. Raises OwnerNotPresent."""
        raise _not_here(handle)


def _not_here(_what: str) -> OwnerNotPresent:
    return OwnerNotPresent("this page approves nothing", hint="run `guardian approve` in a terminal")


def approvals_of(_opened: Guardian) -> Approvals:
    """The way to a yes for this home."""
    return TerminalOnly()
