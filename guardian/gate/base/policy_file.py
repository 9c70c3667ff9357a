"""The policy in force: the owner's file, read at every call, or the last valid one where the file is invalid."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from guardian.domain.trading import Environment
from guardian.errors import PolicyInvalid, PolicyMistake, StoreError
from guardian.policy.facts import NOT_LOOKED_UP
from guardian.policy.loading.load import named_environment
from guardian.system.private_files import open_without_waiting, policy_problem

if TYPE_CHECKING:
    from guardian.policy.model import Policy
    from guardian.store.database import Transaction

MAX_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPolicy:
    """The owner's file, where it is not in force because it is looser than the approved policy."""

    digest: str
    looser: tuple[str, ...]
    """What is looser in it, a phrase for each key."""
    effective_ms: int | None
    """When it takes effect, in window time; None where no person approved it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStanding:
    """Which policy is in force for a file, and what waits."""

    in_force: Policy
    waiting: WaitingPolicy | None = None
    unapproved: str | None = None
    """Why no order is created until a person approves the file; None where the policy in force is approved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInForce:
    """One immutable snapshot: a whole call is judged by it. `problems` are the mistakes of the file, if it has any."""

    policy: Policy
    problems: tuple[str, ...]
    source: str
    waiting: WaitingPolicy | None = None
    unapproved: str | None = None
    """See `PolicyStanding`."""


class PolicyApprovals(Protocol):
    """Says which policy is in force, where a looser one needs a person's yes."""

    def standing(self, policy: Policy) -> PolicyStanding:
        """By what the store said last; it reads nothing and waits for nothing."""
        ...

    def look(self, tx: Transaction, policy: Policy, *, adopts: bool) -> PolicyStanding:
        """By what the store says now; with `adopts` a tighter policy takes the place of the approved one.

        Raises StoreError.
        """
        ...


class PolicyMemory(Protocol):
    """Where the last good policy is kept."""

    def remember(self, policy: Policy) -> None:
        """Keep it."""
        ...

    def recall(self) -> str | None:
        """The text of the last good policy, or None."""
        ...


class PolicyFile:
    """Reads a policy file at every use, and falls back to the last valid policy with the file's mistakes.

    `packaged` marks a file that comes with guardian: its mode is the installer's, and it is not remembered as the
    owner's. `approvals` say which policy is in force where a looser one needs a person's yes. `remembers` is whether a
    good policy becomes the last good one of the home: while a server serves the home's own file, and not where somebody
    only looks, or serves another file.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[str], Policy],
        memory: PolicyMemory,
        *,
        packaged: bool,
        remembers: bool = True,
        approvals: PolicyApprovals | None = None,
    ) -> None:
        self.remembers = remembers
        self._path = path.absolute()  # a proposal keeps it, and is approved from another folder
        self._load = load
        self._memory = memory
        self._packaged = packaged
        self._approvals = approvals
        self._text: str | None = None
        self._policy: Policy | None = None
        self._problems: tuple[str, ...] = ()
        self._unremembered = False
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def packaged(self) -> bool:
        """Whether it comes with guardian; then the owner has written no policy."""
        return self._packaged

    def current(self) -> PolicyInForce:
        """The policy in force now.

        Raises:
            PolicyInvalid: the file cannot be used and there is no last valid policy.
        """
        # The event loop and worker threads read concurrently: none may see the new text with the old policy.
        with self._lock:
            return self._current()

    def last_read(self) -> PolicyInForce:
        """The policy in force by the file as `current` read it last, and by what the store said since. Raises as that.

        With it one call reads the file once.
        """
        with self._lock:
            return self._in_force()

    def look(self, tx: Transaction, *, adopts: bool) -> None:
        """Look in the store which policy is approved, for every later `current`. Raises StoreError.

        With `adopts` a file that is nowhere looser than the approved policy takes its place: while guardian serves it.
        """
        # Without the lock: whoever holds it may wait for this transaction to end.
        policy = self._policy
        if self._approvals is not None and policy is not None:
            self._approvals.look(tx, policy, adopts=adopts and not self._problems)

    def why_unapproved(self, tx: Transaction, policy: Policy) -> str | None:
        """Why no order may be created under a policy that was in force a moment ago; None where it may.

        Raises StoreError.
        """
        if self._approvals is None:
            return NOT_LOOKED_UP if policy.environment is Environment.LIVE else None
        standing, file = self._approvals.look(tx, policy, adopts=False), self._policy
        if standing.unapproved is None and standing.in_force.digest != policy.digest:
            return "another policy is in force now"
        if standing.unapproved is None and file is not None and file is not policy:
            return self._approvals.look(tx, file, adopts=False).unapproved
        return standing.unapproved

    def named_environment(self) -> Environment | None:
        """The environment that the file names, even where it cannot be used otherwise; None where none can be read."""
        try:
            return named_environment(read_policy_text(self._path, packaged=self._packaged))
        except PolicyInvalid:
            return None

    def _current(self) -> PolicyInForce:
        try:
            text = read_policy_text(self._path, packaged=self._packaged)
        except PolicyInvalid as error:
            self._text = None
            self._problems = tuple(str(mistake) for mistake in error.mistakes)
            return self._in_force()
        if text != self._text:
            try:
                self._policy = self._load(text)
            except PolicyInvalid as error:
                self._problems = tuple(str(mistake) for mistake in error.mistakes)
            else:
                self._problems = ()
                self._unremembered = not self._packaged
            self._text = text  # not before: a text that was never judged must not pass for one that was
        if self.remembers and self._unremembered and self._policy is not None and not self._problems:
            self._remember(self._policy)
        return self._in_force()

    def _in_force(self) -> PolicyInForce:
        if self._policy is None:
            self._policy = self._recalled()
        standing = PolicyStanding(in_force=self._policy)
        if self._approvals is not None:
            standing = self._approvals.standing(self._policy)
        return PolicyInForce(
            policy=standing.in_force,
            problems=self._problems,
            source=str(self._path),
            waiting=standing.waiting,
            unapproved=standing.unapproved,
        )

    def _recalled(self) -> Policy:
        """The last good policy from the store, for a start with a file that is broken or gone."""
        try:
            text = self._memory.recall()
        except StoreError:
            text = None
        if text is None:
            mistakes = tuple(PolicyMistake(key="", message=problem) for problem in self._problems)
            raise PolicyInvalid(mistakes, hint="mend the policy; `guardian policy check` lists every mistake")
        return self._load(text)

    def _remember(self, policy: Policy) -> None:
        """Keep it for a start with a broken file; where the store does not take it now, the next call tries again."""
        try:
            self._memory.remember(policy)
        except StoreError:
            return
        self._unremembered = False


def read_policy_text(path: Path, *, packaged: bool) -> str:
    """The text of a policy file.

    Raises:
        PolicyInvalid: it is missing, unreadable, huge, not UTF-8, not a file, another user's, or others can change it.
    """
    try:
        with open_without_waiting(path) as file:
            found = os.fstat(file.fileno())
            problem = None if packaged else policy_problem(path, found)
            if problem is not None:
                raise _unusable(problem[0], hint=problem[1])
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(f"`{path}` cannot be read: {error.strerror or 'no reason given'}") from None
    if len(content) > MAX_BYTES:
        raise _unusable(f"`{path}` is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _unusable(f"`{path}` is not UTF-8 text") from None


def _unusable(message: str, hint: str | None = None) -> PolicyInvalid:
    return PolicyInvalid((PolicyMistake(key="", message=message, hint=hint),))
