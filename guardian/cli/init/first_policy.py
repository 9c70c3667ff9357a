"""Makes a home, begins its log, and puts a ready-made policy into it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from guardian.cli.support.exit_codes import NO
from guardian.cli.support.owner import ask_yes, require_owner
from guardian.cli.support.render import print_json, say, say_error, say_hint
from guardian.home.folder import HOME_VARIABLE, home_folder, ready_made_policy
from guardian.store.opening import begin_log, is_lost
from guardian.store.schema.files import POLICY_NAME
from guardian.system.private_files import check_home, make_folder, open_private


def set_up_home(ctx: click.Context, name: str) -> None:
    """Make the home with the policy of that name, and say what was made; ends the command where that cannot be."""
    home = home_folder()
    policy = home / POLICY_NAME
    try:
        make_folder(home)
        check_home(home)
        if is_lost(home):
            if not _agrees_to_begin_again(home):
                ctx.exit(NO)
            begin_log(home)
            say("a new log is begun; `guardian audit reconcile` compares it with the exchange now")
            if policy.exists():
                return
        begin_log(home)
        content = ready_made_policy(name).read_bytes()
        # Opened for creation alone: two that start together cannot overwrite one another's file.
        descriptor = open_private(policy, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except BaseException:
            policy.unlink(missing_ok=True)  # a part of a policy is worse than none
            raise
    except OSError as error:
        if isinstance(error, FileExistsError) and policy.exists():
            say_error(f"`{policy}` is there already; it was left as it is")
            say_hint("edit it, then `guardian policy check`")
        else:
            say_error(f"`{policy}` cannot be made: {error.strerror or 'no reason given'}")
            say_hint(f"set {HOME_VARIABLE} to a folder that you can write")
        ctx.exit(NO)
    say(f"made `{policy}` from the `{name}` policy; read it, it is yours to edit")
    if name != "paper":
        say("next: `guardian keys add testnet` stores an API key of the Binance testnet in your keyring")
    say("Claude Desktop: put this under Settings, Developer, Edit Config")
    print_json(desktop_entry())


def _agrees_to_begin_again(home: Path) -> bool:
    """Whether the owner agrees to a new log in place of one that is lost."""
    require_owner("begin a new log in place of one that is lost")
    say(f"the log of `{home}` is lost: what guardian ordered, and what is left of every budget, is not known")
    say("a copy of it that you have is better: put `guardian.db` back, and run no `guardian init`")
    say("a new log begins with every budget unused; before its first order guardian looks for its own orders at the")
    say("exchange, counts those that it finds, and halts trading until you have looked")
    if not ask_yes("begin a new log?"):
        say("nothing was changed")
        return False
    return True


def desktop_entry() -> dict[str, object]:
    """The entry for `claude_desktop_config.json`: absolute paths, and no secret, because none is needed."""
    # -I: Python ignores its own variables and every folder but its installation's; guardian removes all others.
    entry: dict[str, object] = {"command": sys.executable, "args": ["-I", "-m", "guardian", "serve"]}
    # Always: a client does not have this shell's variables, and a halt in a terminal must be in the server's home.
    entry["env"] = {HOME_VARIABLE: str(home_folder())}
    return {"mcpServers": {"guardian": entry}}
