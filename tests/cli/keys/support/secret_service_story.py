"""The life of a key in the keyring of the system: added, listed, checked, used by a server, rotated and removed.

`test_secret_service.py` runs this file in a login session with a real Secret Service.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import verifier_of
from tests.cli.keys.test_check_and_rotate import PUBLIC
from tests.cli.keys.test_keys import Person
from tests.support.private_keys import private_pem, public_half, rsa_key
from tests.support.terminals import people

BACKEND = "keyring.backends.SecretService.Keyring"
FIRST, SECOND, FUTURES = "CANARYkeyFIRST" + "A" * 50, "CANARYkeySECOND" + "B" * 49, "CANARYkeyFUTURES" + "C" * 48
SERVER = """
import sys
sys.path.insert(0, {here!r})
from tests.e2e.support.testnet_in_a_box import divert
class ForGood:
    setattr = staticmethod(setattr)
divert(ForGood, {exchange!r})
from guardian.cli.app import main
sys.exit(main(["serve"]))
"""


def test_life_of_a_key(tmp_path: Path) -> None:
    """Each command is a process of its own, and so is the server, which signs with what is in the keyring."""
    with PaperServer() as paper, people(Person) as start:

        def runs(*arguments: str, **options: Any) -> Person:
            return start("keys", *arguments, system=True, exchange=paper.url, **options)

        def answer(*arguments: str) -> Any:
            code, _, out = runs(*arguments, "--json").leaves()
            return code, json.loads(out)

        # Add: guardian makes the pair, Binance's page shows the API key for its public half.
        person = runs("add", "testnet")
        person.waits_for("API key that Binance shows for it (not shown): ")
        person.types(FIRST + "\n")
        code, _, out = person.leaves()
        assert code == 0, person.seen
        assert f"stored in `{BACKEND}`" in person.seen
        paper.venue.keys[FIRST] = verifier_of(PUBLIC.findall(out)[-1].encode())  # type: ignore[index]  # a dict there

        # A second pair: RSA, encrypted, from a pipe.
        pem = private_pem(rsa_key(), passphrase="word")
        person = runs("add", "testnet", "--family", "futures", "--stdin", piped=pem.encode())
        person.waits_for("passphrase of the private key (not shown): ")
        person.types("word\n")
        person.waits_for("(not shown): ")
        person.types(FUTURES + "\n")
        assert person.leaves()[0] == 0, person.seen
        paper.venue.keys[FUTURES] = verifier_of(public_half(rsa_key()))  # type: ignore[index]  # a dict there

        code, listed = answer("list")
        assert (code, listed["backend"]) == (0, BACKEND)
        assert [(key["kind"], key["item"]) for key in listed["keys"]] == [
            ("ed25519", "guardian/binance/testnet"), ("rsa", "guardian/binance/testnet/futures")
        ]  # fmt: skip
        code, checked = answer("check")
        assert (code, [row["works"] for row in checked["keys"]]) == (0, [True, True]), checked

        assert served(paper, "get_balance", "get_position_info") == ["done", "done"]

        # Rotate: the old key is deleted at Binance, and dropped then.
        person = runs("rotate", "testnet")
        person.waits_for("API key that Binance shows for it (not shown): ")
        public = person.printed(PUBLIC)
        paper.venue.keys[SECOND] = verifier_of(public.encode())  # type: ignore[index]  # a dict there
        person.types(SECOND + "\n")
        person.waits_for("is it deleted there? [y/N] ")
        del paper.venue.keys[FIRST]  # type: ignore[attr-defined]  # a dict there
        person.types("y\n")
        assert person.leaves()[0] == 0, person.seen
        assert answer("check", "testnet")[0] == 0
        assert served(paper, "get_balance") == ["done"]

        for options in ((), ("--family", "futures")):
            person = runs("remove", "testnet", *options)
            person.waits_for("[y/N] ")
            person.types("y\n")
            assert person.leaves()[0] == 0, person.seen
        code, listed = answer("list")
        assert (listed["keys"], listed["rotations"]) == ([], [])
        assert served(paper, "get_balance") == ["unavailable"]
        assert answer("check", "testnet")[0] == 1
    for path in Path(os.environ["HOME"]).parent.rglob("*"):
        assert not path.is_file() or b"CANARYkey" not in path.read_bytes(), path


def served(paper: PaperServer, *tools: str) -> list[str]:
    """The outcomes of these tools, through a server that is started for them."""
    code = SERVER.format(here=str(Path(__file__).parents[4]), exchange=paper.url)

    async def calls() -> list[str]:
        transport = StdioTransport(sys.executable, ["-c", code], env=dict(os.environ), keep_alive=False)
        async with Client(transport) as client:
            results = [await client.call_tool(tool, {}, raise_on_error=False) for tool in tools]
        return [str((result.structured_content or {})["outcome"]) for result in results]

    return asyncio.run(calls())
