"""Answers the requests of the console's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from guardian.console.approvals import Approvals
from guardian.console.owner_acts import OwnerActs, words_for
from guardian.console.page_data import PageData
from guardian.console.web.page_app import BadRequest, Document, Handler, object_of, table_of, text_of
from guardian.domain.text.escaping import clean
from guardian.domain.text.plain_data import to_plain

MAX_ID: Final = 40
MAX_REASON_SENT: Final = 1000


class PageRequests:
    """One home's answers. What each raises is an answer too: an error with what to do."""

    def __init__(self, data: PageData, acts: OwnerActs, approvals: Approvals) -> None:
        self._data = data
        self._acts = acts
        self._approvals = approvals

    def handlers(self) -> Mapping[str, Handler]:
        """Every request that the page's script sends, by its path below `/api/`."""
        return {
            "now": self._now,
            "order": self._order,
            "account": self._account,
            "reject": self._reject,
            "cancel": self._cancel,
            "halt": self._halt,
            "disarm": self._disarm,
            "approval/begin": self._begin_approval,
            "approval/finish": self._finish_approval,
        }

    # What is shown

    async def _now(self, sent: Document) -> Document:
        known = sent.get("known_seq", -1)
        if not isinstance(known, int) or isinstance(known, bool):
            raise BadRequest("`known_seq` is a number")
        document = await self._data.now(known)
        document["owner"] = to_plain(await self._approvals.owner())
        return document

    async def _order(self, sent: Document) -> Document:
        return await self._data.order(text_of(sent, "proposal_id", MAX_ID))

    async def _account(self, _sent: Document) -> Document:
        return await self._data.account()

    # What is done

    async def _reject(self, sent: Document) -> Document:
        proposal_id, reason = text_of(sent, "proposal_id", MAX_ID), text_of(sent, "reason", MAX_REASON_SENT)
        return {"message": await self._acts.reject(proposal_id, reason)}

    async def _cancel(self, sent: Document) -> Document:
        reply = await self._acts.cancel(text_of(sent, "symbol", MAX_ID), text_of(sent, "client_order_id", 64))
        done, message = words_for(reply)
        text = None if reply.error is None else reply.error.exchange_text
        return {
            "done": done,
            "message": clean(message),
            "hint": None if reply.error is None else reply.error.hint,
            "exchange_text": None if text is None else clean(text),
        }

    async def _halt(self, sent: Document) -> Document:
        return {"message": await self._acts.halt(text_of(sent, "reason", MAX_REASON_SENT))}

    async def _disarm(self, _sent: Document) -> Document:
        return {"message": await self._acts.disarm()}

    async def _begin_approval(self, sent: Document) -> Document:
        return object_of(to_plain(await self._approvals.begin(text_of(sent, "proposal_id", MAX_ID))))

    async def _finish_approval(self, sent: Document) -> Document:
        proposal_id, handle = text_of(sent, "proposal_id", MAX_ID), text_of(sent, "handle", 200)
        place = sent.get("place") is True
        result = await self._approvals.finish(proposal_id, handle, table_of(sent, "proof"), place=place)
        return object_of(to_plain(result))
