"""Messages reach the client whole and in order, and the event loop never waits for a client that does not read."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread
import pytest

from guardian.server.stdio.message_output import MessageOutput

SMALL, LARGE = "s" * 100 + "\n", "L" * 200_000 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The two ends of a pipe, the reader's first."""
    source, target = os.pipe()
    # Where the reader has gone, the writer's own close fails once more.
    with suppress(BrokenPipeError), os.fdopen(source, "rb") as reader, os.fdopen(target, "wb") as writer:
        yield reader, writer


async def send(output: MessageOutput, text: str) -> None:
    """As the transport does."""
    await output.write(text)
    await output.flush()


def test_messages_of_all_sizes_arrive_whole_and_in_order(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    """Large ones are written by a thread, small ones at once; neither overtakes the other."""
    reader, writer = pipe
    sent = [SMALL, LARGE, "é\n", LARGE, SMALL]
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.extend(reader.readline() for _ in sent))
    thread.start()

    async def work() -> None:
        output = MessageOutput(writer)
        for text in sent:
            await send(output, text)

    anyio.run(work)
    thread.join(10)
    assert [line.decode().replace(os.linesep, "\n") for line in read] == sent


def test_a_small_message_needs_no_thread_where_the_pipe_has_room(
    pipe: tuple[BinaryIO, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is what makes it quick; without `poll` each message goes to a thread."""
    if not hasattr(select, "poll"):
        pytest.skip("no system call says whether this system's pipes have room")
    reader, writer = pipe

    async def no_thread(*_arguments: object) -> None:
        raise AssertionError("a thread was asked")

    monkeypatch.setattr(anyio.to_thread, "run_sync", no_thread)
    anyio.run(send, MessageOutput(writer), SMALL)
    assert reader.readline().decode() == SMALL


def test_a_client_that_does_not_read_stops_its_own_messages_and_nothing_else(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    """With the pipe full, even a small message is left to a thread, and the event loop goes its way."""
    reader, writer = pipe
    ticks, arrived = 0, list[bytes]()

    async def work() -> None:
        nonlocal ticks
        output = MessageOutput(writer)
        async with anyio.create_task_group() as tasks:

            async def both() -> None:
                await send(output, LARGE)
                await send(output, SMALL)

            tasks.start_soon(both)
            for _ in range(20):
                await anyio.sleep(0.002)
                ticks += 1
            arrived.append(await anyio.to_thread.run_sync(reader.readline))
            arrived.append(await anyio.to_thread.run_sync(reader.readline))

    with_limit = threading.Timer(20, reader.close)
    with_limit.start()
    anyio.run(work)
    with_limit.cancel()
    assert ticks == 20
    assert [len(line.decode().rstrip()) for line in arrived] == [len(LARGE) - 1, len(SMALL) - 1]


@pytest.mark.parametrize("text", [SMALL, LARGE])
def test_a_client_that_has_gone_is_an_error_of_the_system(pipe: tuple[BinaryIO, BinaryIO], text: str) -> None:
    """As the SDK's own output says it, so that the server ends."""
    reader, writer = pipe
    reader.close()
    with pytest.raises(BrokenPipeError):
        anyio.run(send, MessageOutput(writer), text)


def test_a_file_takes_messages_too(tmp_path: Path) -> None:
    """Whatever is no pipe is written by a thread."""
    place = tmp_path / "out"
    with place.open("wb") as file:
        anyio.run(send, MessageOutput(file), SMALL)
        assert place.read_text("utf-8") == SMALL


def test_what_is_no_text_in_utf8_is_refused_before_anything_is_written(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    """A lone surrogate must not end as half a message."""
    _, writer = pipe
    with pytest.raises(UnicodeEncodeError):
        anyio.run(send, MessageOutput(writer), "\udc80")
