"""A server over STDIO in front of the fake gate, run as a process of its own by the tests.

It logs as `guardian serve` does, prints what it should not, and prints on stderr which requests the gate was asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from guardian.domain.codes import Code
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.replies import Reply
from guardian.server.app import build_server
from guardian.server.process.stderr_log import log_to_stderr
from tests.server.support.fake_gate import FakeGate, as_gate


def main() -> None:
    log_to_stderr()

    async def told() -> None:
        request = gate.requests[-1]
        sys.stderr.write("ASKED " + json.dumps([request.tool, str(getattr(request, "order", None))]) + "\n")
        sys.stderr.flush()
        print("a stray line of a careless library")  # must not reach the client
        if getattr(request, "symbol", None) == "CRASH":
            raise RuntimeError("canary-4f1d in an exception")
        if getattr(request, "symbol", None) == "SLOWW":
            await anyio.sleep(30)

    class Telling(FakeGate):
        async def close_call(self, call: CallInfo, reply: Reply) -> None:
            await anyio.sleep(0.05)
            is_taken_back = reply.error is not None and reply.error.code in {Code.CALL_TAKEN_BACK, Code.READ_TAKEN_BACK}
            sys.stderr.write(f"CLOSED {call.tool} {is_taken_back}\n")

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        await anyio.sleep(0.05)
        sys.stderr.write("ENDED\n")

    gate = Telling()
    gate.before_answer = told
    build_server(as_gate(gate), lifespan=lifespan).run(transport="stdio", show_banner=False)


if __name__ == "__main__":
    main()
