"""Each policy that judges a call is in the log before that, with what it changed; `audit policies` lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.domain.codes import Outcome
from guardian.domain.requests import GetTickerPrice
from guardian.errors import StoreUnavailable
from guardian.gate.owner import policy_history
from guardian.gate.owner.policy_history import PolicyHistory
from guardian.gate.pipeline import Gate
from guardian.policy.loading.load import load_policy
from tests.gate.support.room import Room
from tests.support.tamper import tamper


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A home whose gate writes the history."""
    made = Room(tmp_path)
    made.gate = Gate(made.context, PolicyHistory(made.journal))
    yield made
    made.close()


def read(room: Room) -> Outcome:
    return room.call(GetTickerPrice(symbol="BTCUSDT")).outcome


def logged(room: Room) -> list[dict[str, Any]]:
    rows = room.sql("SELECT body FROM audit WHERE key LIKE 'policy:%' ORDER BY seq")
    return [json.loads(body)["data"] for (body,) in rows]


def test_first_policy_is_logged_with_its_text_once(room: Room) -> None:
    """With its digest, environment, file and client; further calls and a restart add nothing."""
    for _ in range(3):
        assert read(room) is Outcome.DONE
    room.again()
    room.gate = Gate(room.context, PolicyHistory(room.journal))
    read(room)
    (first,) = logged(room)
    text = room.policy_path.read_text("utf-8")
    assert "".join(first["text"]) == text
    assert first["policy"] == load_policy(text).digest
    assert (first["in_place_of"], first["looser"], first["client"]) == (None, None, "test")
    assert first["source"] == str(room.policy_path)


def test_edit_is_logged_with_what_became_looser_and_tighter(room: Room) -> None:
    """Before the call that it judges; a policy that comes back is a change too."""
    read(room)
    before = room.policy_path.read_text("utf-8")
    room.policy({"symbols": {"BTCUSDT": {"max_notional": "7"}}})
    read(room)
    room.write(before)
    read(room)
    _, tighter, looser = logged(room)
    assert [change["key"] for change in tighter["tighter"]] == ["symbols.BTCUSDT.max_notional"]
    assert tighter["looser"] == []
    (change,) = looser["looser"]
    assert (change["key"], change["before"], change["after"]) == ("symbols.BTCUSDT.max_notional", "7", "100")
    assert looser["in_place_of"] == tighter["policy"]
    assert room.phases() == ["call", "event", "outcome"] * 3


def test_change_of_another_process_is_not_logged_twice_and_is_compared(room: Room) -> None:
    """Two servers of a home read the same file: the second finds the row; after a restart the text is in the log."""
    read(room)
    other = Gate(room.context, PolicyHistory(room.journal))
    room.policy({"symbols": {"BTCUSDT": {"max_notional": "7"}}})
    mine, room.gate = room.gate, other
    read(room)
    room.gate = mine
    read(room)
    assert [one["tighter"] is not None for one in logged(room)] == [False, True]


@pytest.mark.parametrize("body", ["[]", "no JSON", "{}", '{"data": []}', '{"data": {"row": "1", "rows": 1}}'])
def test_row_that_was_changed_is_compared_with_nothing(room: Room, body: str) -> None:
    """The policy in force is logged all the same, after a restart, without saying what it changed."""
    read(room)
    tamper(room, f"UPDATE audit SET body = CAST('{body}' AS BLOB) WHERE key LIKE 'policy:%'")
    room.again()
    room.gate = Gate(room.context, PolicyHistory(room.journal))
    room.policy({"symbols": {"BTCUSDT": {"max_notional": "7"}}})
    assert read(room) is Outcome.DONE
    ((changed,),) = room.sql("SELECT body FROM audit WHERE key LIKE 'policy:%' ORDER BY seq DESC LIMIT 1")
    newest = json.loads(changed)["data"]
    assert (newest["in_place_of"], newest["looser"], newest["tighter"]) == (None, None, None)
    assert newest["policy"] == load_policy(room.policy_path.read_text("utf-8")).digest


def test_policy_that_the_log_does_not_take_judges_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is refused, and nothing is sent; once the log takes it, the policy is in force."""
    read(room)
    room.policy({"symbols": {"BTCUSDT": {"max_notional": "7"}}})
    with monkeypatch.context() as patched:
        patched.setattr(policy_history.PolicyHistory, "_append", staticmethod(_fail))
        assert room.ask().outcome is Outcome.UNAVAILABLE
    assert room.sql("SELECT count(*) FROM orders") == [(0,)]
    assert len(logged(room)) == 1
    read(room)
    assert len(logged(room)) == 2


def _fail(*arguments: object) -> None:
    raise StoreUnavailable("the log cannot be written: the disk is full")


def test_long_text_is_whole_and_is_printed(
    room: Room, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A text that one row does not take has more; what is printed is the file, and every row is as logged."""
    monkeypatch.setenv("GUARDIAN_HOME", str(room.home))
    text = room.policy_path.read_text("utf-8")
    read(room)
    room.write(text + "".join(f'# line {number}: "é" \\\n' for number in range(3000)))
    read(room)
    long = room.policy_path.read_text("utf-8")
    digest = load_policy(long).digest
    assert logged(room)[-1]["rows"] > 1
    assert main(["audit", "policies", digest[:12]]) == 0
    assert capsys.readouterr().out == long
    assert main(["audit", "policies", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["policy"], one["as_logged"]) for one in found] == [(load_policy(text).digest, True), (digest, True)]
    assert main(["audit", "policies", "0" * 12]) == 1
    assert main(["audit", "policies", "0"]) == 1


def test_list_says_what_changed_and_what_was_tampered_with(
    room: Room, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each; a changed text is not printed as if it had been in force."""
    monkeypatch.setenv("GUARDIAN_HOME", str(room.home))
    assert main(["audit", "policies"]) in {0, 3}
    read(room)
    room.policy({"symbols": {"BTCUSDT": {"max_notional": "7"}}})
    read(room)
    capsys.readouterr()
    assert main(["audit", "policies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "the first one" in lines[1]
    assert "100 -> 7 tighter" in lines[2]
    tamper(room, "UPDATE audit SET body = replace(body, 'max_notional', 'max_notionel') WHERE key LIKE 'policy:%'")
    assert main(["audit", "policies"]) == 1
    assert "was changed" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["sim-key-1234567890", r"sim\u002dkey-1234567890"])
def test_no_key_of_a_policy_is_in_the_log(room: Room, key: str) -> None:
    """The keys of a paper exchange of one's own are left out of the text, however they are written."""
    text = room.policy_path.read_text("utf-8").replace("[paper]\n", "")
    paper = f'[paper]\nendpoint = "http://127.0.0.1:18080"\napi_key = "{key}"\napi_secret = \'another-secret-98765\'\n'
    room.write(f"{text}\n{paper}")
    assert read(room) is Outcome.DONE
    (row,) = logged(room)
    assert "(not in the log)" in "".join(row["text"])
    assert row["is_whole"] is False
    for secret in ("sim-key-1234567890", "another-secret-98765", key):
        assert secret not in room.log_text()


def test_policy_whose_text_is_not_in_the_log_is_compared_with_nothing(room: Room) -> None:
    """After a restart nobody knows what it said; the row names it by its digest, and says nothing of what changed."""
    text = room.policy_path.read_text("utf-8")
    paper = (
        '[paper]\nendpoint = "http://127.0.0.1:18080"\napi_key = "sim-key-1234567890"\napi_secret = "another-98765"\n'
    )
    room.write(text.replace("[paper]\n", "") + f"\n{paper}# another-98765\n")
    assert read(room) is Outcome.DONE
    room.again()
    room.gate = Gate(room.context, PolicyHistory(room.journal))
    room.write(text)
    assert read(room) is Outcome.DONE
    hidden, newest = logged(room)
    assert hidden["text"] == ["(not in the log)"]
    assert "another-98765" not in room.log_text()
    assert newest["in_place_of"] == hidden["policy"]
    assert (newest["looser"], newest["tighter"]) == (None, None)
