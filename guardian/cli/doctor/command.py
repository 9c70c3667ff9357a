"""`guardian doctor`: looks at everything that guardian needs, and says of each what it is and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from guardian.cli.support.render import print_json, say
from guardian.cli.support.terminal import is_terminal


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a report for somebody who helps you into this new file.",
)
@click.pass_context
def command(ctx: click.Context, as_json: bool, bundle: Path | None) -> None:
    """Look at everything that guardian needs, and say of each what it is and what to do.

    Versions, home, policy, log, keyring, the exchange's hosts and clock, keys, servers, and the clients with their
    entries. Nothing in the home is changed. A test item without a key is written into the keyring and removed, each
    key makes one signed read, and each client's entry is started once, on an empty home.

    The report of --bundle has the findings and the versions. It has no key, no account, no amount, and no policy; the
    names of your folders are shortened in it. Read it before you send it.

    Exit code 0: nothing is wrong. 1: there is a problem. 3: something could not be found out.
    """
    if is_terminal(sys.stderr):
        say("looking at this machine; what does not answer is waited for a few seconds")
    from guardian.cli.doctor.findings import Finding, exit_code, findings_of
    from guardian.cli.doctor.printing import document, print_finding, say_summary, write_bundle
    from guardian.cli.doctor.running import CHECKS, this_machine
    from guardian.home.folder import home_folder

    home = home_folder()
    is_watched = is_terminal(sys.stderr) and not is_terminal(sys.stdout)
    found: list[Finding] = []
    for finding in findings_of(CHECKS, this_machine(home), _say_progress if is_watched else lambda _name: None):
        found.append(finding)
        if not as_json:
            print_finding(finding)
    if as_json:
        print_json(document(found))
    else:
        say_summary(found)
    if bundle is not None:
        write_bundle(bundle, found, home)
        say(f"written to `{bundle}`; read it before you send it")
    ctx.exit(exit_code(found))


def _say_progress(name: str) -> None:
    say(f"looking at: {name}")
