"""Writes into the log which policy is in force: its text, which client's call it judged first, and what it changed.

A policy judges no call before the log has its row, in any process: where the log takes none, the call is refused. Each
change has one row, whichever process sees it first; its key is `policy:<environment>:<row>`. A long text has more rows
right after it, `policy-text:<row>`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from guardian.errors import PolicyInvalid
from guardian.policy.loading.load import load_policy
from guardian.store.schema.records import Record

if TYPE_CHECKING:
    from guardian.gate.base.journal import Journal
    from guardian.policy.looser import KeyChange
    from guardian.policy.model import Policy
    from guardian.store.database import Transaction

IN_FORCE: Final = "policy_in_force"
"""The kind of the row."""
TEXT_CONTINUED: Final = "policy_text"
"""The kind of a row that has more of the text of the one before it."""
KEYS: Final = "policy:"
_TEXT_KEYS: Final = "policy-text:"
HIDDEN: Final = "(not in the log)"
_KEY_IN_TEXT: Final = re.compile(r"""(\bapi_(?:key|secret)["']?\s*=\s*)(?:"[^"\n]*"|'[^'\n]*')""")
_PIECE: Final = 2000
"""Characters of one piece of a text: a longer one would be cut in a row."""
_PIECES: Final = 6
"""Pieces in a row, which takes 64 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingPolicy:
    """A policy that is about to judge a call: where its file is, and which client called."""

    policy: Policy
    source: str
    client: str | None


class PolicyHistory:
    """What one process knows of the policies in the log."""

    def __init__(self, journal: Journal, load: Callable[[str], Policy] = load_policy) -> None:
        self._journal = journal
        self._load = load
        self._newest: dict[str, Policy] = {}
        """By environment, the policy that the log has as the newest, as far as this process knows."""

    async def ensure_logged(self, judging: JudgingPolicy) -> None:
        """Has the log say that this policy is in force; writes nothing where it does. Raises StoreError."""
        policy = judging.policy
        known = self._newest.get(policy.environment.value)
        if known is not None and known.digest == policy.digest:
            return
        await self._journal.transact(lambda tx: self._log(tx, judging, known))
        self._newest[policy.environment.value] = policy

    def _log(self, tx: Transaction, judging: JudgingPolicy, known: Policy | None) -> None:
        policy, environment = judging.policy, judging.policy.environment.value
        newest = tx.audit.newest_with_key(f"{KEYS}{environment}:")
        data = _data(newest)
        digest = data.get("policy")
        if digest == policy.digest:
            return
        if known is None or known.digest != digest:
            known = self._loaded(tx, data)
        approved = tx.policy_approvals.in_force(environment)
        text = _without_keys(policy)
        pieces = list(_pieces(text))
        first, rest = pieces[:_PIECES], pieces[_PIECES:]
        more = [rest[start : start + _PIECES] for start in range(0, len(rest), _PIECES)]
        place = tx.head.seq + 1
        body = {
            "kind": IN_FORCE,
            "environment": environment,
            "policy": policy.digest,
            "in_place_of": digest,
            "source": judging.source,
            "client": judging.client,
            "pid": os.getpid(),
            "approval": approved.approval_seq if approved is not None and approved.digest == policy.digest else None,
            **_changes(known, policy),
            "row": place,
            "rows": 1 + len(more),
            "is_whole": text == policy.text,
            "text": first,
        }
        self._append(tx, environment, f"{KEYS}{environment}:{place}", body)
        for number, some in enumerate(more, 1):
            body = {"kind": TEXT_CONTINUED, "policy": policy.digest, "text": some}
            self._append(tx, environment, f"{_TEXT_KEYS}{place + number}", body)

    @staticmethod
    def _append(tx: Transaction, environment: str, key: str, body: Mapping[str, object]) -> None:
        tx.audit.append(replace(Record.event(None, body, key=key), environment=environment))

    def _loaded(self, tx: Transaction, data: Mapping[str, object]) -> Policy | None:
        """Returns the policy that a row is about; None where it cannot be read by this version of guardian."""
        place, rows = data.get("row"), data.get("rows")
        if not isinstance(place, int) or not isinstance(rows, int):
            return None
        try:
            return self._load(text_of([_data(tx.audit.body_at(place + number)) for number in range(rows)]))
        except PolicyInvalid:
            return None


def text_of(rows: Sequence[Mapping[str, object]]) -> str:
    """Returns the text of a policy, from what its rows say; a row without a text adds nothing."""
    pieces = (row.get("text") for row in rows)
    return "".join(str(piece) for some in pieces if isinstance(some, list) for piece in some)


def _without_keys(policy: Policy) -> str:
    """Returns the text of a policy without the keys of a paper exchange of the user's own: no key is in the log."""
    text = _KEY_IN_TEXT.sub(rf'\1"{HIDDEN}"', policy.text)
    keys = [key.reveal() for key in (policy.paper.api_key, policy.paper.api_secret) if key is not None]
    # Written so that they are not found, by an escape for instance: then nothing of the text is in the log.
    return HIDDEN if any(key in text for key in keys) or (keys and text == policy.text) else text


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, max(1, len(text)), _PIECE):
        yield text[start : start + _PIECE]


def _changes(before: Policy | None, after: Policy) -> dict[str, object]:
    """Returns which keys became looser and which tighter; null where there is no policy to compare with."""
    if before is None:
        return {"looser": None, "tighter": None}
    # Here and not at the top: it is needed for a change alone.
    from guardian.policy.looser import compare_policies

    compared = compare_policies(before, after)
    return {"looser": _as_data(compared.looser), "tighter": _as_data(compared.tighter)}


def _as_data(changes: Sequence[KeyChange]) -> list[dict[str, str | None]]:
    return [{"key": one.key, "before": one.before, "after": one.after, "why": one.why} for one in changes]


def _data(body: bytes | None) -> Mapping[str, object]:
    """Returns what a row says; nothing for a row that is missing or is no JSON."""
    try:
        found = json.loads(body or b"{}").get("data")
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}
