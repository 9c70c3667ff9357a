"""Writes the bundle, and says what becomes of it."""

from __future__ import annotations

from pathlib import Path

from guardian import __version__
from guardian.cli.install.bundle_files import bundle
from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.render import say, say_error, say_hint
from guardian.system.private_files import create_file, replace_file


def write_bundle(output: Path | None, *, replace: bool) -> int:
    """Write the bundle as a whole, and return the exit code; a file that is there is written over with `replace`."""
    path = (output or Path(f"guardian-{__version__}.mcpb")).absolute()
    content = bundle()
    try:
        if replace:
            replace_file(path, content)
        else:
            create_file(path, content)
    except FileExistsError:
        say_error(f"`{path}` is there already; it was left as it is")
        say_hint("name another file with `-o`, or write over it with `--replace`")
        return NO
    except OSError as error:
        say_error(f"`{path}` cannot be written: {error.strerror or 'no reason given'}")
        say_hint("name a file in a folder that you can write, with `-o`")
        return NO
    say(f"made `{path}` ({len(content) // 1000} kB), with no key and no policy in it")
    say("Claude Desktop: open the file, or drag it into Settings, Extensions; its first start downloads packages")
    return FINE
