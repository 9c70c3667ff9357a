"""The paper exchange says whose account it is: the same for all its keys and over restarts, another elsewhere."""

from __future__ import annotations

from pathlib import Path

from guardian.domain.secrets import Secret
from guardian.paper.host.home import PaperEndpoint
from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import HmacVerifier
from guardian.paper.storage import SqliteStorage
from tests.paper.support.client import Client, ClientFor

SECOND = (Secret("2" * 64), Secret("t" * 64))


def uid(client: Client) -> int:
    found = client.signed("GET", "/api/v3/account").json["uid"]
    assert isinstance(found, int)
    return found


def test_account_is_the_same_over_restarts_and_whatever_key_opens_it(tmp_path: Path, client_for: ClientFor) -> None:
    """A state that is opened with another key than the one it was made with is the same account."""
    file = tmp_path / "paper.db"
    with PaperServer(storage=SqliteStorage(file)) as server:
        first = uid(client_for(server.endpoint))
    with PaperServer(storage=SqliteStorage(file)) as server:
        assert server.api_key != SECOND[0]
        assert uid(client_for(server.endpoint)) == first


def test_both_keys_of_an_exchange_open_one_account(client_for: ClientFor) -> None:
    """As at Binance, every key of an account has the same answer."""
    with PaperServer(other_keys={SECOND[0].reveal(): HmacVerifier(SECOND[1])}) as server:
        other = PaperEndpoint(url=server.url, api_key=SECOND[0], api_secret=SECOND[1])
        assert uid(client_for(server.endpoint)) == uid(client_for(other))


def test_two_exchanges_are_two_accounts(client_for: ClientFor) -> None:
    """Each has a number of its own, of nine digits."""
    with PaperServer() as one, PaperServer() as another:
        numbers = {uid(client_for(one.endpoint)), uid(client_for(another.endpoint))}
    assert len(numbers) == 2
    assert all(100_000_000 <= number <= 999_999_999 for number in numbers)


def test_exchange_in_memory_with_given_keys_is_the_same_account_after_a_restart(
    client_for: ClientFor,
) -> None:
    """A simulator that is started again with the keys that are in a policy does not look like somebody else's."""
    found = set()
    for _ in range(2):
        with PaperServer(api_key="k" * 64, api_secret="s" * 64) as server:
            found.add(uid(client_for(server.endpoint)))
    assert len(found) == 1
