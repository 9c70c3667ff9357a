"""`guardian policy`: a person can see whether their limits are valid, what is wrong with them, and what is in force."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from guardian.cli.app import main

GOOD = """schema = 1
[limits]
max_open_orders = 7
[symbols.BTCUSDT]
max_notional = "100"
max_quantity = "0.005"
max_position = "0.02"
[[examples]]
name = "small"
given = { bid = "60000", ask = "60001" }
order = { symbol = "BTCUSDT", side = "BUY", order_type = "MARKET", quantity = "0.001" }
expect = { decision = "confirm" }
"""
BAD = """schema = 1
[limits]
max_open_notinal = "5"
max_open_orders = 0
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A valid policy that nobody else can write."""
    return write(tmp_path / "mine.toml", GOOD)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_check_of_a_valid_policy_is_fine_and_sums_it_up(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, with what the policy is for on standard output and nothing on standard error."""
    assert main(["policy", "check", str(policy)]) == 0
    out, err = capsys.readouterr()
    assert str(policy) in out
    assert "testnet" in out
    assert "BTCUSDT" in out
    assert "of every order, by terminal" in out
    assert "1 tried, each came out as expected" in out
    assert err == ""


def test_check_says_from_what_amount_a_person_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A threshold is reported with its currency; a policy without symbols and examples is reported as such."""
    path = write(tmp_path / "p.toml", 'schema = 1\n[confirmation]\nrequired_above = "50"\n')
    assert main(["policy", "check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "above 50 USDT, by terminal" in out
    assert "none: every order is denied" in out


def test_check_tells_every_mistake_with_file_line_and_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, each mistake as `file:line: key: message` with its hint, so that an editor can jump to it."""
    path = write(tmp_path / "bad.toml", BAD)
    assert main(["policy", "check", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == (
        f"{path}:3: `limits.max_open_notinal`: there is no such key (did you mean `max_open_notional`?)"
    )
    assert lines[1].startswith(f"{path}:4: `limits.max_open_orders`: 0 is too small")
    assert lines[2] == "guardian: error: the policy has 2 mistakes; no order is created under it"
    assert lines[3].startswith("guardian: hint: ")


def test_check_counts_one_mistake_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake that belongs to no key is reported with its line alone."""
    path = write(tmp_path / "bad.toml", "schema = 1\nschema = 1\n")
    assert main(["policy", "check", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"{path}:2: not readable as TOML: a key or a table is given twice\n")
    assert "the policy has 1 mistake;" in err


def test_check_as_json_is_one_document_either_way(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads the same fields whether the policy is valid or not, and the exit code says which."""
    assert main(["policy", "check", str(policy), "--json"]) == 0
    good = json.loads(capsys.readouterr().out)
    assert good["valid"] is True
    assert good["mistakes"] == []
    assert main(["policy", "check", "--json", str(write(tmp_path / "bad.toml", BAD))]) == 1
    bad = json.loads(capsys.readouterr().out)
    assert bad["valid"] is False
    assert [(mistake["line"], mistake["key"]) for mistake in bad["mistakes"]] == [
        (3, "limits.max_open_notinal"),
        (4, "limits.max_open_orders"),
    ]
    assert bad["mistakes"][0]["hint"] == "did you mean `max_open_notional`?"


@pytest.mark.parametrize("verb", ["check", "show"])
@pytest.mark.parametrize("name", ["absent.toml", "folder"])
def test_a_file_that_cannot_be_read_is_not_called_invalid(
    verb: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3: whether the policy is valid could not be known."""
    (tmp_path / "folder").mkdir()
    assert main(["policy", verb, str(tmp_path) + os.sep + name]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "guardian: error: cannot read" in err
    assert "guardian: hint: " in err


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_policy_that_others_can_write_is_invalid(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit that anyone on the machine could lift is no limit; the hint mends it."""
    policy.chmod(0o620)
    assert main(["policy", "check", str(policy)]) == 1
    err = capsys.readouterr().err
    assert "can be written by others" in err
    assert f"chmod go-w {policy}" in err


def test_a_policy_that_is_not_text_is_invalid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are not UTF-8 are a mistake of the file, not a failure of the command."""
    path = tmp_path / "p.toml"
    path.write_bytes(b"schema = 1 # \xff\n")
    path.chmod(0o600)
    assert main(["policy", "check", str(path)]) == 1
    assert "is not UTF-8 text" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["check", "show"])
def test_without_a_file_the_packaged_testnet_policy_is_meant(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On a home that has no policy, the one that would serve is looked at."""
    assert main(["policy", verb]) == 0
    out, err = capsys.readouterr()
    assert "testnet.toml" in out + err


def test_without_a_file_the_policy_of_the_home_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """The owner's own file comes first."""
    path = write(Path(os.environ["GUARDIAN_HOME"]) / "policy.toml", BAD)
    assert main(["policy", "check"]) == 1
    assert f"{path}:3: " in capsys.readouterr().err


def test_show_says_what_each_key_is_and_who_says_so(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The value in force and the line of the file that sets it, or that it is the default."""
    assert main(["policy", "show", str(policy)]) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["limits.max_open_orders"].split() == ["limits.max_open_orders", "7", "line", "3"]
    assert rows["prices.collar"].split() == ["prices.collar", '"3%"', "default"]
    assert rows["symbols.BTCUSDT.max_notional"].endswith("line 5")
    assert "not enforce" not in err
    assert str(policy) in err


def test_show_as_json_has_the_same(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every setting with its value as the file writes it, its source and its line."""
    assert main(["policy", "show", "--json", str(policy)]) == 0
    document = json.loads(capsys.readouterr().out)
    settings = {setting.pop("key"): setting for setting in document["settings"]}
    assert settings["limits.max_open_orders"] == {"value": "7", "source": "file", "line": 3}
    assert settings["prices.collar"] == {"value": '"3%"', "source": "default", "line": None}
    assert document["environment"] == "testnet"


def test_show_of_an_invalid_policy_shows_its_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no value in force in a file that is not; exit 1."""
    path = write(tmp_path / "bad.toml", BAD)
    assert main(["policy", "show", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{path}:4: " in err


@pytest.mark.parametrize("arguments", [["check"], ["show"], ["show", "--json"], ["check", "--json"]])
def test_the_keys_of_a_simulator_are_never_shown(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They guard nothing, and stay hidden all the same, in a valid policy and in an invalid one."""
    text = (
        'schema = 1\nenvironment = "paper"\n[paper]\nendpoint = "http://127.0.0.1:1"\n'
        'api_key = "canarykey"\napi_secret = "canarysecret"\n'
    )
    assert main(["policy", *arguments, str(write(tmp_path / "good.toml", text))]) == 0
    bad = write(tmp_path / "bad.toml", text.replace("canarysecret", "canary secret"))
    assert main(["policy", *arguments, str(bad)]) == 1
    assert "canary" not in "".join(capsys.readouterr())


CONTRADICTING = """schema = 1
[accounting]
conversions = { BTC = "BTCUSDT" }
[prices]
collar = "0.5%"
[limits]
max_open_orders = 7
[symbols.BTCUSDT]
max_notional = "250"
max_quantity = "0.005"
max_position = "0.02"
"""


def test_check_warns_of_what_is_valid_and_can_never_take_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0, the summary as ever, and each warning on standard error with its line and what to write instead.

    Before, nothing was said: a MARKET order and, once fees were paid in BNB, every purchase was denied.
    """
    path = write(tmp_path / "p.toml", CONTRADICTING)
    assert main(["policy", "check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "valid" in out
    lines = err.splitlines()
    assert lines[0].startswith(f"{path}:3: warning: `accounting.conversions`: it has no symbol for BNB")
    assert lines[0].endswith('(add `BNB = "BNBUSDT"`)')
    assert lines[1].startswith(f"{path}:5: warning: `prices.collar`: no MARKET order passes")
    assert lines[2].startswith(f"{path}:9: warning: `symbols.BTCUSDT.max_notional`: no order of more than 200 passes")
    assert len(lines) == 3


def test_check_as_json_has_the_warnings_too(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of its own, empty where there is nothing to warn of."""
    assert main(["policy", "check", "--json", str(policy)]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []
    path = write(tmp_path / "p.toml", GOOD.replace("BTCUSDT]", "BTCEUR]").split("[[", maxsplit=1)[0])
    assert main(["policy", "check", "--json", str(path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["valid"], document["mistakes"]) == (True, [])
    (warning,) = document["warnings"]
    assert (warning["key"], warning["line"]) == ("symbols.BTCEUR", 5)
    assert warning["hint"] == "add how its quote asset becomes USDT"
