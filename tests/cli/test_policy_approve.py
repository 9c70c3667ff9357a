"""`guardian policy approve`: what it shows before it asks, and what it does after the yes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.gate.owner.policy_approval import ApprovedPolicies
from guardian.home.folder import home_folder
from guardian.home.log import open_journal
from guardian.policy.loading.load import load_policy
from guardian.store.opening import begin_log
from tests.support.world import BASE, merged, toml

PIN_DEMANDED = {"confirmation": {"channel": "terminal", "proof": "pin"}}
LIVE = {"environment": "live"}


class Owner:
    """Someone with a PIN at a terminal. `gives` is what their answer proves; None is a no."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gives: ProofGiven | None = ProofGiven(kind=Proof.PIN)
        self.asked: list[Statement] = []
        monkeypatch.setattr("guardian.cli.support.owner.require_owner", lambda action: None)
        monkeypatch.setattr("guardian.cli.policy.approving.agree", self.agree)
        begin_log(home_folder())
        journal = open_journal()
        with journal.transaction() as tx:
            tx.approvers.note_pin(is_set=True)
            tx.approvers.raise_floor(Proof.PIN)
        journal.close()

    def agree(self, statement: Statement, question: str, *, policy_path: Path | None = None) -> ProofGiven | None:
        self.asked.append(statement)
        return self.gives

    def writes(self, *changes: Mapping[str, Any]) -> Path:
        file = home_folder() / "policy.toml"
        file.write_text(toml(merged(BASE, PIN_DEMANDED, *changes)), "utf-8")
        file.chmod(0o600)
        return file

    def serves(self) -> None:
        """A server of the home takes a call."""
        journal = open_journal()
        policy = load_policy((home_folder() / "policy.toml").read_text("utf-8"))
        with journal.transaction() as tx:
            ApprovedPolicies().look(tx, policy, adopts=True)
        journal.close()


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Owner:
    return Owner(monkeypatch)


def test_looser_policy_is_shown_key_by_key_and_approved(owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    """Both values of each key, what is tighter too; in force at once elsewhere than on live."""
    owner.writes()
    owner.serves()
    owner.writes({"limits": {"max_open_orders": 9, "max_open_notional": "100"}})
    assert main(["policy", "approve"]) == 0
    said = capsys.readouterr().err
    assert "PAPER  " in said
    assert "  `limits.max_open_orders` goes from 5 to 9" in said
    assert "  tighter: `limits.max_open_notional` goes from 300 to 100" in said
    assert "approved: it is in force now" in said
    (statement,) = owner.asked
    assert statement.kind is StatementKind.POLICY
    assert main(["policy", "approve"]) == 0
    assert "needs no approval" in capsys.readouterr().err
    assert len(owner.asked) == 1


def test_first_policy_of_live_is_shown_with_its_caps_and_waits_for_its_time(
    owner: Owner, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to compare it with; once approved it is not asked about again."""
    owner.writes(LIVE)
    assert main(["policy", "approve"]) == 0
    said = capsys.readouterr().err
    assert "LIVE  " in said
    assert "no policy was approved for `live` before" in said
    assert "BTCUSDT up to 100, ETHUSDT up to 100 (USDT an order)" in said
    assert "together at most 200 in 5m and 500 in 24h USDT, and a loss of 100 USDT within 24h" in said
    assert "it takes effect 10m after your yes" in said
    assert "approved: it takes effect at " in said
    assert main(["policy", "approve"]) == 0
    assert "you approved it already: it takes effect at " in capsys.readouterr().err
    assert len(owner.asked) == 1


def test_check_and_show_say_whether_the_file_is_in_force(owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits for a yes, and what waits for its time, with what is looser; the same in JSON."""
    owner.writes(LIVE)
    assert main(["policy", "check"]) == 0
    assert "in force      no: it waits for `guardian policy approve`" in capsys.readouterr().out
    assert main(["policy", "approve"]) == 0
    capsys.readouterr()
    assert main(["policy", "show"]) == 0
    assert "in force: not yet: you approved it, and it takes effect at " in capsys.readouterr().err
    owner.writes()
    owner.serves()
    assert main(["policy", "check"]) == 0
    assert "in force      yes" in capsys.readouterr().out
    owner.writes({"limits": {"max_open_orders": 9}})
    assert main(["policy", "check"]) == 0
    assert "looser: `limits.max_open_orders` goes from 5 to 9" in capsys.readouterr().out
    assert main(["policy", "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["in_force"], found["takes_effect_ms"]) == (False, None)
    assert found["looser"] == ["`limits.max_open_orders` goes from 5 to 9"]


def test_no_approves_nothing(owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the question comes again next time."""
    owner.writes(LIVE)
    owner.gives = None
    assert main(["policy", "approve"]) == 1
    assert "nothing was approved" in capsys.readouterr().err
    assert main(["policy", "approve"]) == 1
    assert len(owner.asked) == 2


def test_proof_that_is_too_weak_approves_nothing(owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    """What is demanded is said."""
    owner.writes(LIVE)
    owner.gives = ProofGiven(kind=Proof.TERMINAL)
    assert main(["policy", "approve"]) == 1
    assert "a pin is demanded, and a terminal was given" in capsys.readouterr().err


def test_policy_with_mistakes_is_not_asked_about(owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it can be approved."""
    owner.writes({"environment": "live", "confirmation": {"proof": "terminal"}})
    assert main(["policy", "approve"]) != 0
    assert "confirmation.proof" in capsys.readouterr().err
    assert owner.asked == []


def test_named_file_is_the_one_that_is_approved(owner: Owner, tmp_path: Path) -> None:
    """A server may run with another file than the home's own."""
    owner.writes()
    owner.serves()
    other = tmp_path / "other.toml"
    other.write_text(toml(merged(BASE, PIN_DEMANDED, {"limits": {"max_open_orders": 9}})), "utf-8")
    other.chmod(0o600)
    assert main(["policy", "approve", str(other)]) == 0
    assert [statement.fields["policy"] for statement in owner.asked] == [load_policy(other.read_text("utf-8")).digest]


def test_without_a_terminal_nothing_is_asked(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program without a terminal cannot even see the question."""
    assert main(["policy", "approve"]) == 1
    assert "no person is at a terminal" in capsys.readouterr().err
