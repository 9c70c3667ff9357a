"""What `guardian policy check` and `show` print of a policy."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.policy.in_force import FileStanding, file_standing
from guardian.cli.support.exit_codes import COULD_NOT_TELL, NO
from guardian.cli.support.opened_home import NO_POLICY_YET, has_own_policy
from guardian.cli.support.render import Column, fields, print_json, say, say_error, say_hint, table
from guardian.domain.codes import TOOLS
from guardian.errors import PolicyInvalid, PolicyMistake
from guardian.gate.base.policy_file import read_policy_text
from guardian.home.folder import find_policy_file, home_folder, ready_made_policy
from guardian.policy.loading.load import PolicyReading, read_policy
from guardian.policy.loading.warnings import policy_warnings
from guardian.system.private_files import open_without_waiting


def print_check(ctx: click.Context, file: Path | None, *, as_json: bool) -> None:
    """Print whether the policy is valid, and its warnings; ends the command where it is not."""
    path = _named_or_serving(file)
    reading = _read_or_exit(ctx, path, as_json=as_json)
    policy = reading.policy
    standing = file_standing(policy)
    warnings = [
        PolicyMistake(key=one.key, message=one.message, line=_line_of(one.key, reading), hint=one.hint)
        for one in policy_warnings(policy)
    ]
    if as_json:
        document = {"file": path, "valid": True, **_identity(reading), **_standing_as_json(standing), "mistakes": []}
        print_json({**document, "warnings": [_as_json(warning) for warning in warnings]})
        return
    examples = len(policy.examples)
    fields(
        [
            ("policy", str(path)),
            ("valid", "yes"),
            ("in force", standing.words),
            *(("", f"looser: {line}") for line in standing.looser),
            ("environment", policy.environment.value),
            ("digest", policy.digest[:12]),
            ("symbols", ", ".join(policy.symbols) or "none: every order is denied"),
            ("tools", f"{len(policy.tools.allowed)} of {len(TOOLS)} allowed"),
            ("confirmation", _confirmation(reading)),
            ("examples", f"{examples} tried, each came out as expected" if examples else "none"),
        ]
    )
    for warning in warnings:
        say(_place(path, warning, "warning: "))
    _say_whose(file)


def print_settings(ctx: click.Context, file: Path | None, *, as_json: bool) -> None:
    """Print every key of the policy with its value; ends the command where the policy is not valid."""
    path = _named_or_serving(file)
    reading = _read_or_exit(ctx, path, as_json=as_json)
    if as_json:
        settings = [
            {
                "key": setting.key,
                "value": setting.value,
                "source": "default" if setting.is_default else "file",
                "line": setting.line,
            }
            for setting in reading.settings
        ]
        standing = _standing_as_json(file_standing(reading.policy))
        print_json({"file": path, **_identity(reading), **standing, "settings": settings})
        return
    say(f"{path} (digest {reading.policy.digest[:12]}; in force: {file_standing(reading.policy).words})")
    table(
        [Column("key", whole=True), "value", "from"],
        [
            (setting.key, setting.value, "default" if setting.is_default else f"line {setting.line}")
            for setting in reading.settings
        ],
    )
    _say_whose(file)


def _say_whose(file: Path | None) -> None:
    if file is None and not has_own_policy():
        say(f"{NO_POLICY_YET}: this one comes with guardian; `guardian init` makes yours")


def _named_or_serving(file: Path | None) -> Path:
    if file is not None:
        return file
    return find_policy_file(home_folder())


def _read_or_exit(ctx: click.Context, path: Path, *, as_json: bool) -> PolicyReading:
    """The valid policy of a file, or the end of the command after every mistake is printed."""
    try:
        # Asked apart from the reading, which calls an unreadable file invalid, as it must while guardian serves.
        open_without_waiting(path).close()
    except OSError as error:
        say_error(f"cannot read `{path}`: {error.strerror or 'the system gave no reason'}")
        say_hint("name a policy file, or make one with `guardian init`")
        ctx.exit(COULD_NOT_TELL)
    packaged = path.parent.resolve() == ready_made_policy("testnet").parent.resolve()
    try:
        return read_policy(read_policy_text(path, packaged=packaged))
    except PolicyInvalid as error:
        if as_json:
            mistakes = [_as_json(mistake) for mistake in error.mistakes]
            print_json({"file": path, "valid": False, "mistakes": mistakes, "warnings": []})
        else:
            _say_mistakes(path, error)
        ctx.exit(NO)


def _say_mistakes(path: Path, error: PolicyInvalid) -> None:
    for mistake in error.mistakes:
        say(_place(path, mistake))
    mistakes = len(error.mistakes)
    say_error(f"the policy has {mistakes} mistake{'s' if mistakes != 1 else ''}; no order is created under it")
    if error.hint:
        say_hint(error.hint)


def _place(path: Path, mistake: PolicyMistake, kind: str = "") -> str:
    """A mistake or a warning as `file:line: key: message`, so that an editor can jump to it."""
    where = f"{path}:{mistake.line}" if mistake.line is not None else str(path)
    key = f"`{mistake.key}`: " if mistake.key else ""
    return f"{where}: {kind}{key}{mistake.message}{f' ({mistake.hint})' if mistake.hint else ''}"


def _line_of(key: str, reading: PolicyReading) -> int | None:
    """The line of a key, of the table that it is in, or of the first key in it; None where defaults say it all."""
    lines = {setting.key: setting.line for setting in reading.settings if setting.line is not None}
    table, _, _ = key.rpartition(".")
    inside = (line for name, line in lines.items() if name.startswith(f"{key}."))
    return lines.get(key) or lines.get(table) or next(inside, None)


def _as_json(mistake: PolicyMistake) -> dict[str, object]:
    return {"line": mistake.line, "key": mistake.key, "message": mistake.message, "hint": mistake.hint}


def _identity(reading: PolicyReading) -> dict[str, object]:
    """What both commands' documents begin with."""
    policy = reading.policy
    return {
        "environment": policy.environment.value,
        "digest": policy.digest,
        "symbols": list(policy.symbols),
        "examples": len(policy.examples),
    }


def _standing_as_json(standing: FileStanding) -> dict[str, object]:
    return {
        "in_force": standing.in_force,
        "looser": list(standing.looser),
        "takes_effect_ms": standing.takes_effect_ms,
    }


def _confirmation(reading: PolicyReading) -> str:
    rules, currency = reading.policy.confirmation, reading.policy.accounting.currency
    above = f"above {rules.required_above} {currency}" if rules.required_above else "of every order"
    return f"{above}, by {rules.channel.value}"
