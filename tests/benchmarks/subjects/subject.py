"""What every subject has in common: a name, how it is started, what its read and its order are, and what it said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.benchmarks.subjects.stdio import Answer, Command, Failed, StdioServer
from tests.benchmarks.venue.client import Endpoint

Arguments = Mapping[str, Any]

SYMBOL: Final = "BTCUSDT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing that is measured."""

    label: str
    command: Callable[[Endpoint], Command]
    """Makes what it needs for trading there, and returns how it is started."""
    is_fine: Callable[[dict[str, Any]], bool]
    """Whether the result of a call is the success that was wanted."""
    read: tuple[str, Arguments]
    """The tool that reads a price, and its arguments."""
    tools: Mapping[str, Arguments] = field(default_factory=dict)
    """Other tools whose requests are counted, with their arguments."""
    order: Callable[[int], tuple[str, Arguments]] | None = None
    """A market order of a quantity that no other number has; None where it places none."""
    confirms: bool = False
    """Whether an order is proposed first and sent with the token of the proposal."""
    lacks: str = ""
    """What it does not do that guardian does for each call."""

    def call(self, server: StdioServer, tool: str, arguments: Arguments) -> Answer:
        """Calls a tool. Raises Failed where the answer is not a success: no failure is ever taken for a fast call."""
        answer = server.call(tool, dict(arguments))
        if not self.is_fine(answer.result):
            raise Failed(f"{self.label}: {tool}: {str(answer.result)[:600]}")
        return answer

    def price(self, server: StdioServer) -> Answer:
        """Reads a price."""
        return self.call(server, *self.read)


def quantity(number: int) -> str:
    """Returns a quantity of bitcoin worth 6 to 60 USDT, so that no order is a duplicate of one shortly before."""
    return f"{10 + number % 90}e-5"


def is_no_error(result: dict[str, Any]) -> bool:
    """Whether a result is not marked as an error."""
    return not result.get("isError", False)


def structured(result: dict[str, Any]) -> dict[str, Any]:
    """Returns the structured content of a result."""
    content = result.get("structuredContent")
    return content if isinstance(content, dict) else {}
