"""No key of a paper exchange is in the log, however a policy writes it; another key is found all the same."""

from __future__ import annotations

import pytest

from guardian.store.log.read_only import database_path, read_only
from guardian.store.log.verify import verify
from guardian.store.state.policy_texts import HIDDEN, without_keys
from tests.store.support.store_world import World
from tests.support.tamper import tamper

KEY, SECRET = "canaryKEY0123456789", "canarySECRET9876543210"
POLICY = f"""schema = 1
[paper]
endpoint = "http://127.0.0.1:1"
api_key = "{KEY}"  # mine
api_secret = '{SECRET}'
"""
WRITTEN = (
    POLICY,
    f'paper = {{api_key="{KEY}", api_secret = "{SECRET}"}}',
    f"paper.api_key = \"\"\"{KEY}\"\"\"\n\"paper\".'api_secret' = '''{SECRET}'''",
    f'[paper]\n"api\\u005fkey" = "{KEY}"\n"\\u0061pi_secret" = "{SECRET}"',
    f"# not TOML\napi_key = {KEY} {SECRET}",
    f'[[paper]]\napi_key = "{KEY}"\n[[paper]]\napi_secret = "{SECRET}"\nname = "{SECRET}"',
)


def test_text_keeps_everything_but_its_keys() -> None:
    """Comments and all other values stay, and each key is named as left out."""
    assert without_keys(POLICY) == POLICY.replace(KEY, HIDDEN).replace(f"'{SECRET}'", f'"{HIDDEN}"')


@pytest.mark.parametrize("text", ["", "max_notional = 100", "# rapid\nmax_notional = 100", 'name = "a\\\\b"'])
def test_text_without_keys_is_kept_whole(text: str) -> None:
    """Not one character of it is another one."""
    assert without_keys(text) == text


@pytest.mark.parametrize("text", WRITTEN)
def test_text_of_the_log_is_as_it_is_in_a_database_that_is_made_from_it(text: str) -> None:
    """Nothing is taken out of it a second time."""
    kept = without_keys(text)
    assert HIDDEN in kept
    assert without_keys(kept) == kept


@pytest.mark.parametrize("text", WRITTEN)
def test_no_key_is_in_the_log_and_the_tables_are_as_it_says(world: World, text: str) -> None:
    """The transaction's row and a baseline have the policy without its keys, and the tables are as either says."""
    world.attempt(lambda tx: tx.policies.remember("d1", text))
    world.attempt(lambda tx: tx.audit.append_baseline("a test"))
    with read_only(database_path(world.home)) as connection:
        bodies = [str(body) for (body,) in connection.execute("SELECT body FROM audit")]
    assert sum("d1" in body for body in bodies) == 2
    assert not [body for body in bodies if KEY in body or SECRET in body]
    world.store.close()
    (finding,) = verify(world.home).findings
    assert finding.message.startswith("row 2 says again")


def test_another_key_in_the_table_is_found(world: World) -> None:
    """The text without keys is the same; the digest of the whole text is not."""
    world.attempt(lambda tx: tx.policies.remember("d1", POLICY))
    world.store.close()
    tamper(world, f"UPDATE policies SET text = replace(text, '{KEY}', 'another')")
    (finding,) = verify(world.home).findings
    assert "policy `1`: `text_sha256` is " in finding.message
    assert KEY not in finding.message
