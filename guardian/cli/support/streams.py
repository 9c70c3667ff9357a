"""The three standard streams, where one of them is missing or nobody is at its other end any more."""

from __future__ import annotations

import errno
import os
import select
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_GONE: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN, errno.EIO})
"""EIO is what a terminal says that was closed."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_GONE_ON_WINDOWS: Final = frozenset({errno.EINVAL, errno.EPIPE})


@dataclass(slots=True)
class _LostOutput:
    """The first error by which words for a person were lost in this run."""

    error: OSError | None = None


_lost: Final = _LostOutput()


def forget_lost_output() -> None:
    """A new run of the command line has lost no words."""
    _lost.error = None


def lost_output() -> OSError | None:
    """The error by which words for a person were lost in this run; None where all were written."""
    return _lost.error


def note_if_lost(error: OSError) -> bool:
    """Whether `error` says that a stream takes nothing any more; if so, it is put to rest and that is remembered."""
    if not (silence_if_reader_gone(error) or silence_if_disk_full(error)):
        return False
    _lost.error = _lost.error or error
    return True


def open_missing_streams() -> None:
    """Give a process that was started without one of its three streams (`<&-`, `>&-`) an empty one.

    Else the next file that is opened, the log's for one, gets the number of that stream.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order each gets the lowest free number, which is that of its stream.
            empty = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  it lasts as long as the process
            setattr(sys, name, empty)


def silence_if_reader_gone(error: BaseException) -> bool:
    """Whether `error` came up because standard output or error has no reader any more; if so, they are put to rest."""
    if not says_reader_gone(error):
        return False
    gone = [stream for stream in (sys.stdout, sys.stderr) if _has_no_reader(stream)]
    for stream in gone:
        _send_to_null(stream)
    return bool(gone)


def silence_if_disk_full(error: BaseException) -> bool:
    """Whether `error` says that no place is left to write to; if so, the streams that take no more are put to rest."""
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return False
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _send_to_null(stream)
    return True


def says_reader_gone(error: BaseException) -> bool:
    """Whether `error`, or each part of it where it is a group, says that the other end of a pipe was closed."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(says_reader_gone, error.exceptions))
    if not isinstance(error, OSError):
        return False
    return error.errno in (_GONE_ON_WINDOWS if sys.platform == "win32" else _GONE) or isinstance(error, BrokenPipeError)


def _has_no_reader(stream: IO[str]) -> bool:
    try:
        stream.flush()
        return _has_hung_up(stream.fileno())
    except OSError as error:
        return says_reader_gone(error)
    except ValueError:
        return False


def _send_to_null(stream: IO[str]) -> None:
    # What is still in the buffer would fail again when Python flushes it at its end, with a message of its own.
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _has_hung_up(descriptor: int) -> bool:
    # Where Python does not buffer (PYTHONUNBUFFERED), nothing is left that a flush could fail on.
    if sys.platform == "win32":
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
