"""The helper process that is a home folder's paper exchange: `python -m guardian.paper.host.process --home FOLDER`.

Started by guardian.paper.host.home. It ends on request, or after a while without a request.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from guardian.domain.secrets import Secret
from guardian.errors import ExchangeUnavailable, GuardianError, NotPrivate
from guardian.paper.host.home import (
    DATABASE_FILE,
    IDLE_EXIT_S,
    LIFE_LOCK,
    LOG_FILE,
    PortFile,
    proof,
    read_port_file,
    remove_leftovers,
    remove_port_file,
    write_port_file,
)
from guardian.system.private_files import check_home, open_private
from guardian.system.variables import forget_unknown_variables

_OTHER_ENDS_S: Final = 1.0
"""How many seconds a helper waits for another that may be ending, before it gives way to it."""
_WATCH_S: Final = 0.5


def main() -> int:
    """Serves until it is ended or idle. Returns 0 where it served or another helper already runs, else 1."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--idle-exit", type=float, default=IDLE_EXIT_S)
    arguments = parser.parse_args()
    home: Path = arguments.home
    try:
        check_home(home)
        with FileLock(home / LIFE_LOCK, timeout=_OTHER_ENDS_S, mode=0o600):
            _serve(home, arguments.idle_exit)
    except Timeout:
        return 0
    except NotPrivate:
        return 1  # nothing is written there; whoever started this finds the same
    except Exception as error:  # noqa: BLE001 -- its streams lead nowhere: what went wrong is in the log or nowhere
        _write_log(home, error)
        return 1
    return 0


def _serve(home: Path, idle_exit_s: float) -> None:
    from guardian.paper.host.assembly import DEFAULT_SEED, assemble, random_key
    from guardian.paper.host.serving import listen, server
    from guardian.paper.rest.app import Housekeeping, HttpApi
    from guardian.paper.storage import SqliteStorage

    remove_leftovers(home)
    storage = SqliteStorage(home / DATABASE_FILE)
    api_key = Secret(storage.setting("api_key", random_key()))
    api_secret = Secret(storage.setting("api_secret", random_key()))
    seed = int(storage.setting("seed", str(DEFAULT_SEED)))
    venue = assemble(storage, api_key=api_key, api_secret=api_secret, seed=seed)
    try:
        # The previous port, so that clients continue after a crash.
        socket = listen(port=int(storage.setting("port", "0")))
    except ExchangeUnavailable:
        socket = listen()
    port = int(socket.getsockname()[1])
    storage.keep_setting("port", str(port))
    nonce = Secret(random_key())
    busy_at = [time.monotonic()]

    def busy() -> None:
        busy_at[0] = time.monotonic()

    def end() -> None:
        remove_port_file(home, nonce)
        running.should_exit = True

    content = PortFile(port=port, pid=os.getpid(), api_key=api_key, api_secret=api_secret, nonce=nonce)

    def watch() -> None:
        while not running.should_exit:
            time.sleep(_WATCH_S)
            if time.monotonic() - busy_at[0] > idle_exit_s or not _keeps_house(home, content):
                end()

    house = Housekeeping(prove=lambda purpose, challenge: proof(nonce, purpose, challenge), end=end)
    running = server(HttpApi(venue, housekeeping=house, busy=busy, trouble=lambda error: _write_log(home, error)))
    write_port_file(home, content)
    threading.Thread(target=watch, daemon=True).start()
    try:
        running.run(sockets=[socket])
    finally:
        remove_port_file(home, nonce)
        storage.close()


def _keeps_house(home: Path, content: PortFile) -> bool:
    """Puts the port file back where somebody has lost it; false where the home folder is no more."""
    if not (home / DATABASE_FILE).exists():
        return False
    if read_port_file(home) is None:
        try:
            write_port_file(home, content)
        except OSError:
            return False
    return True


def _write_log(home: Path, error: Exception) -> None:
    """Leaves what went wrong in the home folder, in place of what went wrong the last time."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, GuardianError):
        text = f"{error.message}\n\n{text}"
    try:
        descriptor = open_private(home / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(descriptor, "w", encoding="utf-8") as log:
            log.write(text)
    except OSError:
        return  # a home that cannot be written: whoever started this says so


if __name__ == "__main__":
    forget_unknown_variables()
    sys.exit(main())
