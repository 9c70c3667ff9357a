"""Where guardian's home and its policy are. Imports nothing heavy: commands that only read a file need no more.

Environment variables can name the home folder (GUARDIAN_HOME) and nothing else.
"""

from __future__ import annotations

import errno
import os
from importlib.resources import files
from pathlib import Path
from typing import Final

import platformdirs

from guardian.errors import GuardianError, PolicyInvalid, PolicyMistake
from guardian.store.schema.files import POLICY_NAME
from guardian.system.private_files import check_home, check_owner, make_folder

HOME_VARIABLE: Final = "GUARDIAN_HOME"
DEFAULT_POLICY: Final = "testnet"
READY_MADE: Final = ("testnet", "paper", "read-only", "tour")
"""The policies that come with guardian."""
EXAMPLE_POLICY: Final = "example"
"""The policy with every key, which is beside the folder of the others in a checkout."""


def home_folder() -> Path:
    """Guardian's home: GUARDIAN_HOME, else the platform's folder for user data. It is not created here.

    Raises:
        NotPrivate: it is there and is another user's. Whoever opens what is in it looks at the rest: a halt must work
            also where that is refused.
        GuardianError: what is named is no place of a folder.
    """
    named = os.environ.get(HOME_VARIABLE)
    folder = Path(named) if named else platformdirs.user_data_path("guardian", appauthor=False)
    try:
        home = folder.expanduser().resolve()
    except RuntimeError as error:  # an unknown user after `~`, or a loop of links
        raise _no_home(folder, str(error)) from error
    try:
        check_owner(home)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _no_home(folder, "its name is too long") from error
        # What cannot be looked at cannot be opened either: that is reported where it is opened.
    return home


def checked_home() -> Path:
    """Return guardian's home, which has to be own and private. Raises NotPrivate, GuardianError and OSError."""
    home = home_folder()
    check_home(home)
    return home


def _no_home(folder: Path, why: str) -> GuardianError:
    return GuardianError(f"guardian's home cannot be `{folder}`: {why}", hint=f"set {HOME_VARIABLE} to a folder")


def ready_made_policy(name: str) -> Path:
    """The path of a policy that comes with guardian: packaged with it, or beside it in a checkout."""
    packaged = Path(str(files("guardian"))) / "ready_made" / f"{name}.toml"
    if packaged.is_file():
        return packaged
    checkout = Path(str(files("guardian"))).parent
    return checkout / "policy.example.toml" if name == EXAMPLE_POLICY else checkout / "policies" / f"{name}.toml"


def find_policy_file(home: Path) -> Path:
    """The policy that serves when none is named: `policy.toml` in the home, else the packaged `testnet` policy."""
    own = home / POLICY_NAME
    return own if own.exists() else ready_made_policy(DEFAULT_POLICY)


def make_home(home: Path) -> None:
    """Create the home, for its owner alone; a home that cannot be made is reported by the store at the first call.

    Raises:
        NotPrivate: it is another user's.
        PolicyInvalid: what is there is not a folder.
    """
    try:
        make_folder(home)
        check_owner(home)
    except OSError as error:
        if home.exists() and not home.is_dir():
            mistake = PolicyMistake(key="", message=f"`{home}` is not a folder")
            raise PolicyInvalid((mistake,), hint=f"set {HOME_VARIABLE} to a folder") from error
