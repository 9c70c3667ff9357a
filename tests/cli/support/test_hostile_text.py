"""Text that did not come from guardian forges no line and reaches no terminal's controls, wherever it is printed."""

from __future__ import annotations

import ast
import logging
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.cli.support.render import say, table
from guardian.domain.text.escaping import UNSEEN
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError, PolicyInvalid, PolicyMistake
from guardian.home.folder import home_folder, ready_made_policy
from guardian.server.process.stderr_log import PlainFormatter
from guardian.store.database import Store
from guardian.store.emergency import EmergencyFile
from guardian.store.schema.records import Phase, Record
from tests.support.clock import ClockOf
from tests.support.world import WIDE, a_world

EVIL = (
    "evil\x1b[2J\x1b]0;owned\x07\r\nFORGED: trading is active\n\tFORGED\u2028FORGED\u2029FORGED\x85FORGED"
    "\u202e\u2066\u200b\u200d\ufeff\u00ad\x9b31m\x00\x7f\ufe0f\u3164"
)
IN_TOML = EVIL.encode("ascii", "backslashreplace").decode().replace("\\x", "\\u00").replace("\x1b", "\\u001b")
"""The same as a basic string of TOML has it."""
for number in (*range(32), 127):
    IN_TOML = IN_TOML.replace(chr(number), f"\\u{number:04x}")


def assert_clean(text: str) -> None:
    """Every line is plain, and none is what the hostile text wanted to look like."""
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
        assert UNSEEN.isdisjoint(line), ascii(line)
        assert not line.strip().startswith("FORGED"), line


@pytest.fixture
def home() -> Path:
    """A home in which every free text is hostile: the log, the reasons, the policy, and the emergency file."""
    made = home_folder()
    made.mkdir(mode=0o700)
    store = Store.open(made, ClockOf(lambda: 1_800_000_000_000))
    with store.transaction() as tx:
        for number in range(3):
            name = f"{number}" * 32
            body: dict[str, Any] = {"arguments": {EVIL: [EVIL, {EVIL: EVIL}]}, "client": EVIL, "reason": EVIL}
            tx.audit.append(Record(phase=Phase.CALL, call_id=name, tool=EVIL, symbol=EVIL, account=EVIL, body=body))
            denials = [{"message": EVIL, "code": EVIL}]
            said = {"outcome": EVIL, "error": {"code": EVIL, "message": EVIL, "hint": EVIL, "denials": denials}}
            tx.audit.append(Record(phase=Phase.OUTCOME, call_id=name, tool=EVIL, outcome=EVIL, body=said))
            tx.audit.append(
                Record(phase=Phase.EVENT, key=f"{EVIL}{number}", body={"kind": EVIL, "by": EVIL, "reason": EVIL})
            )
        tx.trading.set(TradingState.HALTED, reason=EVIL, by=EVIL)
    store.close()
    policy = ready_made_policy("paper").read_text("utf-8")
    policy += f'\n[symbols.EVILUSDT]\nmax_notional = "1"\nreason = "{IN_TOML}"\n'
    (made / "policy.toml").write_text(policy, "utf-8")
    return made


COMMANDS: list[list[str]] = [
    ["status"], ["audit"], ["audit", "list", "--tool", EVIL], ["audit", "show", "last"], ["audit", "show", "1"],
    ["audit", "show", "3"], ["audit", "show", "0" * 32], ["audit", "show", EVIL], ["audit", "verify"],
    ["audit", "list", "--since", EVIL], ["audit", "verify", "--checkpoint", EVIL], ["approve"], ["approve", EVIL],
    ["reject", EVIL], ["policy", "check"], ["policy", "show"], ["policy", "check", EVIL.replace("\0", "")],
    ["resume"], ["keys", "list"], ["keys", "add", EVIL], ["halt", "--reason", EVIL], ["halt", "--reducing"],
    ["paper", "--fault", EVIL], ["serve", "--transport", EVIL], [EVIL], ["--debug", EVIL], ["init", "--from", EVIL],
]  # fmt: skip


def test_no_command_prints_hostile_text_as_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in the log, in a reason, in the policy or on the command line, each command prints plain lines
    (before: a halt's reason with a line end in it printed a line of its own choosing)."""
    seen = ""
    for arguments in COMMANDS:
        main(arguments)
        out, errors = capsys.readouterr()
        assert out + errors, arguments
        assert_clean(out + errors)
        seen += out + errors
    assert seen.count("evil\\x1b[2J") > 20  # it is shown, escaped


def test_hostile_policies_and_emergency_records_are_printed_plain(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mistakes that quote the file, keys that nobody knows, and what the log did not take."""
    policy = home / "policy.toml"
    good = policy.read_text("utf-8")
    for text in (
        good + f'\n[symbols.X1USDT]\nmax_notional = "{IN_TOML}"\n',
        good + f'\n["{IN_TOML}"]\n"{IN_TOML}" = 1\n',
        good.replace('environment = "paper"', f'environment = "{IN_TOML}"'),
        good + f'\n[[examples]]\nname = "{IN_TOML}"\norder = {{ symbol = "{IN_TOML}" }}\n',
        f"# {good}\nx = \x01\n",
    ):
        policy.write_text(text, "utf-8")
        for arguments in (["policy", "check"], ["status"]):
            main(arguments)
            out, errors = capsys.readouterr()
            assert out + errors
            assert_clean(out + errors)
    policy.write_text(good, "utf-8")
    emergency = EmergencyFile(home)
    emergency.append({"kind": "halted", "reason": EVIL, EVIL: EVIL})
    emergency.append({"kind": "chain_broken", "reason": EVIL})
    for arguments in (["halt"], ["status"], ["resume"], ["audit", "show", "last"], ["audit"]):
        main(arguments)
        out, errors = capsys.readouterr()
        assert_clean(out + errors)


def test_errors_of_any_origin_are_one_line_each(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Messages, hints and mistakes print on lines of their own and on no others; a long one is cut."""
    from guardian.cli import app

    def fails(error: Exception) -> Any:
        def run(*_: object) -> int:
            raise error

        return run

    for error in (
        GuardianError(EVIL, hint=EVIL),
        PolicyInvalid((PolicyMistake(key=EVIL, message=EVIL, hint=EVIL),), hint=EVIL),
        ValueError(EVIL),
    ):
        monkeypatch.setattr(app, "_run", fails(error))
        main([])
        assert_clean("".join(capsys.readouterr()))
    say("x" * 1_000_000)
    table(["a"], [["y" * 1_000_000]])
    assert len("".join(capsys.readouterr())) < 200_000


def test_server_writes_plain_lines_to_stderr() -> None:
    """A record with hostile text is one plain line, and a long one is cut."""
    for name in ("guardian.exchange", EVIL):
        record = logging.LogRecord(name, logging.ERROR, f"{EVIL}.py", 1, "failed: %s", (EVIL + "x" * 9999,), None)
        shown = PlainFormatter().format(record)
        assert "\n" not in shown
        assert_clean(shown)
        assert len(shown) < 7000


def test_replies_and_resources_carry_hostile_text_escaped(tmp_path: Path) -> None:
    """A halt's reason in a denial, a status or the recent calls has no character that moves or hides."""
    with a_world(tmp_path) as world:
        world.policy(WIDE)
        assistant = world.assistant()
        with assistant.guardian.journal.transaction() as tx:
            tx.trading.set(TradingState.HALTED, reason=EVIL, by="owner")
        result = assistant.run(
            assistant._client.call_tool(
                "create_order",
                {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET", "quote_quantity": "50"},
                raise_on_error=False,
            )
        )
        texts = [str(getattr(part, "text", "")) for part in result.content]
        texts += [assistant.resource(f"guardian://{name}") for name in ("status", "policy", "audit/recent")]
        assert any("evil" in text for text in texts)
        for text in texts:
            assert_clean(text)
            assert "\\n" not in text.replace("\\\\n", "")
        found = list(strings(result.structured_content))
        assert any("evil" in text for text in found)
        for text in found:
            assert text.isprintable(), ascii(text)
            assert UNSEEN.isdisjoint(text)


def strings(data: Any) -> Any:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for name, item in data.items():
            yield name
            yield from strings(item)
    elif isinstance(data, list):
        for item in data:
            yield from strings(item)


ROOT = Path(__file__).parents[3] / "guardian"
PRINTS = {"cli/support/render.py", "cli/support/owner.py"}
TO_PROGRAMS = {"store/definitions/sqlite_module.py", "store/log/verify_helper.py"}
"""These are processes of their own, whose output is a module's text and the JSON of a count."""
CALLS = {"print", "click.echo", "click.secho", "click.style", "sys.stdout.write", "sys.stderr.write"}


def test_nothing_prints_but_the_functions_that_clean() -> None:
    """Only two modules write to a terminal, and what they write is cleaned there."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).as_posix() in PRINTS | TO_PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in CALLS:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {called}")
    assert found == []
