"""Puts guardian's entry into a client's configuration, takes it out, and says what comes next."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from guardian.cli.install.shown_change import shown_change
from guardian.cli.support.render import print_json, print_line, say, say_warning
from guardian.clients.config_files import FileChange, backups, planned_change, read_config, rewrite
from guardian.clients.entries import ServerEntry, own_entry
from guardian.clients.installing import putting, removing
from guardian.clients.known import AssistantClient, client_named, known_clients
from guardian.errors import ClientConfigUnusable, GuardianError
from guardian.home.folder import home_folder
from guardian.store.schema.files import POLICY_NAME

FIRST_SENTENCE: Final = "What may I buy with guardian, and how much?"
_TEMPORARY: Final = frozenset({"archive-v0", "builds-v0", "environments-v2"})
"""Folders in which `uvx` keeps what it runs once."""
_MOST_COPIES: Final = 20


def clients_here() -> str:
    """Returns the names of the clients that are on this machine, else of all."""
    here = []
    for client in known_clients():
        try:
            if client.place().is_here():
                here.append(client.name)
        except ClientConfigUnusable:
            here.append(client.name)
    if here:
        return ", ".join(here) + (" is" if len(here) == 1 else " are") + " on this machine"
    return ", ".join(client.name for client in known_clients()) + "; or `--print`"


def print_entry(client_name: str | None, name: str) -> None:
    """Print the entry as a whole configuration, in the form of that client or in the one that most have."""
    client = client_named(client_name) if client_name is not None else known_clients()[0]
    entry = own_entry(home_folder())
    _warn_if_temporary(entry)
    print_json(client.document(name, entry))


def install(client_name: str, config: Path | None, name: str, *, replace: bool, dry_run: bool) -> None:
    """Put the entry into the client's configuration, or print what would change.

    Raises:
        ClientConfigUnusable: the file was left as it was.
        GuardianError: the client is not on this machine.
    """
    client = client_named(client_name)
    home = home_folder()
    entry = own_entry(home)
    _warn_if_temporary(entry)
    path = _file_of(client, config)
    edit = putting(client, path, name, entry, replace=replace)
    if dry_run:
        _print_change(planned_change(path, edit), client, name)
        return
    if config is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    change = rewrite(path, edit, now=_now())
    if change.is_empty:
        say(f"`{change.path}` has that entry already; nothing was changed")
    else:
        say(f"put `{name}` into `{change.path}`" + _copy(change))
    say(f"it starts `{shlex.join((entry.command, *entry.args))}` with the home `{home}`")
    if not (home / POLICY_NAME).exists():
        say_warning(f"there is no policy of yours in `{home}` yet")
        say("first: `guardian init` asks what you allow, and writes it")
    say(f"next, in {client.title}: {client.restart(sys.platform)}")
    say(f"it worked if {client.sign.format(name=name)}; if not, `guardian doctor`")
    say(f"then type there: {FIRST_SENTENCE}")


def uninstall(client_name: str, config: Path | None, name: str, *, dry_run: bool) -> None:
    """Take the entry out of the client's configuration, or print what would change. Raises as `install`."""
    client = client_named(client_name)
    path = config or client.config_path()
    edit = removing(client, path, name, lambda: _copies(path))
    if dry_run:
        _print_change(planned_change(path, edit), client, name)
        return
    if read_config(path) is None:
        say(f"there is no `{path}`, so no entry; nothing was changed")
        return
    change = rewrite(path, edit, now=_now())
    if change.is_empty:
        say(f"`{change.path}` has no server `{name}`; nothing was changed")
        return
    say(f"took `{name}` out of `{change.path}`" + _copy(change))
    say(f"{client.title} runs it until you {client.restart(sys.platform)}")
    home = home_folder()
    say(f"what stays: guardian's home `{home}` with your policy and the log, and the keys in the keyring")
    say("`guardian keys list` has the keys, and `guardian keys remove ENVIRONMENT` removes one; it stays valid at")
    say("Binance until it is deleted there. Then remove the home, and guardian as it was installed")


def _file_of(client: AssistantClient, config: Path | None) -> Path:
    """The file to write. Raises GuardianError where its folder may not be made."""
    if config is not None:
        if not config.resolve().parent.is_dir():
            raise GuardianError(f"there is no folder `{config.parent}`", hint="name an existing file or its folder")
        return config
    place = client.place()
    if not place.is_here():
        raise GuardianError(
            f"{client.title} was not found here: there is no `{place.signs[0]}`",
            hint="start it once and try again; or name its file with `--config FILE`; or print the entry with "
            f"`guardian install {client.name} --print` and put it there yourself",
        )
    return place.path


def _copies(path: Path) -> Iterator[bytes]:
    """What guardian kept of the file, the newest first; a copy that cannot be read is left out."""
    for copy in backups(path)[:_MOST_COPIES]:
        try:
            content = read_config(copy)
        except ClientConfigUnusable:
            continue
        if content is not None:
            yield content


def _copy(change: FileChange) -> str:
    return "" if change.backup is None else f"; as it was before it is in `{change.backup}`"


def _print_change(change: FileChange, client: AssistantClient, name: str) -> None:
    if change.is_empty:
        say(f"nothing would change in `{change.path}`")
    for line in shown_change(change, client, name):
        print_line(line)


def _warn_if_temporary(entry: ServerEntry) -> None:
    if _TEMPORARY.intersection(Path(entry.command).parts):
        say_warning(f"`{entry.command}` is in a cache, and may be gone tomorrow")
        say("`uv tool install guardian-mcp` keeps it; then install again")


def _now() -> datetime:
    return datetime.now().astimezone()
