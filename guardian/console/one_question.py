"""A page for one question of a command: a passkey's yes to a statement, or a new passkey. It is gone once answered.

The command waits for it and says its own result; what the page says is that the terminal has it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from guardian.console.web.page_app import Document, PageApp, table_of
from guardian.console.web.sessions import Sessions
from guardian.domain.owner.proof import Passkey, ProofGiven
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.text.escaping import clean
from guardian.errors import GuardianError, OwnerNotPresent
from guardian.gate.owner.agreement import Agreement
from guardian.gate.owner.changes import OwnerChanges
from guardian.loopback.listening import listen, quiet_server

STATIC: Final = ("page.css", "question.js", "draw.js", "passkey.js", "requests.js", "icon.svg")
AGAIN: Final = "run the command in the terminal again for a new link"
PATIENCE_S: Final = 300.0
"""As long as the link works; then the command is not answered."""
LOOK_S: Final = 0.25
"""How often it is looked at whether the question is over."""
_LAST_WORDS_S: Final = 0.5
"""How long the page may still read its last answer."""

Answer = TypeVar("Answer")


class OneQuestion(Generic[Answer]):
    """One question and the page it is asked on. `take` verifies an answer, and raises ProofRefused for a wrong one."""

    def __init__(
        self,
        *,
        title: str,
        lines: Sequence[str],
        details: Sequence[str] = (),
        registers: bool,
        options: Callable[[str], Any],
        take: Callable[[Document, str], Answer],
        port: int = 0,
    ) -> None:
        self._sockets = listen(port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.origin = f"http://localhost:{self.port}"
        self._title = title
        self._lines = [clean(line) for line in lines]
        self._details = [clean(line) for line in details]
        self._registers = registers
        self._options = options
        self._take = take
        self._sessions = Sessions(time.monotonic, secrets.token_bytes)
        self._answer: asyncio.Future[Answer | None]
        self._is_taken = False
        """Whether an answer was given: there is one, whatever it proves."""
        page = PageApp(
            page="question.html",
            static=STATIC,
            handlers={"question": self._question, "answer": self._answered},
            port=self.port,
            sessions=self._sessions,
            notice=lambda _words: None,
            again=AGAIN,
        )
        self._server = quiet_server(page.app)
        self.link = f"{self.origin}/#{self._sessions.new_code()}"

    async def ask(self, stop: Callable[[], Awaitable[None]]) -> Answer | None:
        """Serve the page until it is answered; None for a no, and where `stop` returns first.

        Raises:
            ProofRefused: the answer proves nothing.
            OwnerNotPresent: nobody answered in time.
        """
        self._answer = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(self._server.serve(sockets=list(self._sockets)))
        stopped = asyncio.ensure_future(stop())
        waits: set[asyncio.Future[Any]] = {self._answer, stopped, serving}
        try:
            await asyncio.wait(waits, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if self._answer.done():
                await asyncio.sleep(_LAST_WORDS_S)
                return self._answer.result()
            if stopped.done():
                return None
            raise OwnerNotPresent("nobody answered on the page in time", hint=AGAIN)
        finally:
            stopped.cancel()
            self._answer.cancel()
            await asyncio.gather(stopped, return_exceptions=True)
            self._server.should_exit = True
            await serving

    async def _question(self, _sent: Document) -> Document:
        options = await asyncio.to_thread(self._options, self.origin)
        shown = {"title": self._title, "lines": self._lines, "details": self._details}
        return {**shown, "registers": self._registers, "options": options}

    async def _answered(self, sent: Document) -> Document:
        proof = None if sent.get("proof") is None else table_of(sent, "proof")
        if self._is_taken:
            raise OwnerNotPresent("this was answered already", hint=AGAIN)
        self._is_taken = True
        try:
            found = None if proof is None else await asyncio.to_thread(self._take, proof, self.origin)
        except GuardianError as error:
            if not self._answer.done():
                self._answer.set_exception(error)
            raise
        if not self._answer.done():
            self._answer.set_result(found)
        said = "You said no" if found is None else "Done: the terminal continues"
        return {"message": f"{said}. You can close this page."}


def answer_on_page(
    page: OneQuestion[Answer], say: Callable[[str], None], is_over: Callable[[], bool] | None = None
) -> Answer | None:
    """Says the link of the page, and returns what was answered there; None for a no, and once `is_over`.

    Run outside of an event loop. Raises as `OneQuestion.ask`, and KeyboardInterrupt.
    """

    async def until_over() -> None:
        while is_over is None or not is_over():  # noqa: ASYNC110 - nobody sets an event: it is looked up
            await asyncio.sleep(LOOK_S)

    say("your passkey is asked on a page: open this link in a browser on this machine; it works once")
    say(page.link)
    return asyncio.run(page.ask(until_over))


def yes_question(agreement: Agreement, statement: Statement, title: str) -> OneQuestion[ProofGiven]:
    """The page on which a passkey signs a statement."""
    question = agreement.question(statement)
    return OneQuestion(
        title=title,
        lines=order_lines(statement) or statement_lines(statement),
        details=statement_lines(statement) if order_lines(statement) else (),
        registers=False,
        options=lambda _origin: dict(agreement.options(question)),
        take=lambda answer, origin: agreement.by_passkey(question, answer, origin=origin),
    )


def statement_lines(statement: Statement) -> tuple[str, ...]:
    """Returns every field of a statement that is set, one on a line: exactly what is signed."""
    return tuple(_lines("", statement.fields))


def order_lines(statement: Statement) -> tuple[str, ...]:
    """Returns an order's statement in a few lines; empty for a statement of another kind."""
    fields, order = statement.fields, statement.fields.get("order")
    if statement.kind is not StatementKind.ORDER or not isinstance(order, Mapping):
        return ()
    what = " ".join(str(order.get(name, "?")) for name in ("side", "quantity", "symbol", "type"))
    lines = [f"{str(fields.get('environment')).upper()}  {what} at {order.get('price', '?')}"]
    lines.append(f"counts as {fields.get('counts_as')} {fields.get('currency')} against your limits")
    market = fields.get("market")
    if isinstance(market, Mapping):
        lines.append(f"the market when you were asked: {market.get('bid')}/{market.get('ask')}")
    return tuple(lines)


def _lines(name: str, value: object) -> Iterator[str]:
    match value:
        case None:
            return
        case Mapping():
            for key, item in value.items():
                yield from _lines(f"{name} {key}".strip(), item)
        case list() | tuple():
            yield f"{name}: {', '.join(map(str, value))}"
        case _:
            yield f"{name}: {value}"


def registration_question(changes: OwnerChanges, name: str, proof: ProofGiven | None) -> OneQuestion[Passkey]:
    """The page on which a passkey is made and registered; `proof` is what the change needs, None for the first."""
    registration = changes.registration(name)
    return OneQuestion(
        title="Register a passkey",
        lines=(f"its name: {name}", "it will be asked each time you approve something"),
        registers=True,
        options=lambda _origin: dict(registration.options),
        take=lambda answer, origin: changes.register(registration, answer, origin=origin, proof=proof),
    )
