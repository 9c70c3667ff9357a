"""No secret in a repr, in vars, in an exception, or in what is behind one."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from base64 import b64encode

import pytest

from guardian.errors import GuardianError
from tests.exchange.http.test_error_mapping import Act, cancel, place, read
from tests.exchange.support.exchange_samples import answer
from tests.exchange.support.exchange_setup import CANARY_KEY, CANARY_SECRET, ed25519_pair, exchange_at, served
from tests.exchange.support.loopback_exchange import Told
from tests.support.present import present

pytestmark = pytest.mark.anyio

SEED = bytes(range(32, 64))
CANARIES = (CANARY_KEY, CANARY_SECRET, b64encode(SEED).decode(), SEED.hex(), repr(SEED))


def assert_clean(text: str) -> None:
    for canary in CANARIES:
        assert canary not in text
        assert canary[4:20] not in text


def everything_about(error: BaseException | None) -> str:
    """The exception, its arguments, what is behind it, and every local of every frame on its way."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts += [repr(error), str(error), repr(error.args), repr(getattr(error, "__dict__", {}))]
        parts += traceback.format_exception(error)
        frame = error.__traceback__
        while frame is not None:
            # The test's own frames know the canaries; those of guardian and of the libraries must not.
            if "/tests/" not in frame.tb_frame.f_code.co_filename:
                parts += [f"{name}={value!r}" for name, value in frame.tb_frame.f_locals.items()]
            frame = frame.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


FAULTS = {
    "refused": Told(status=400, body={"code": -2010, "msg": "no"}),
    "echo": Told(status=400, body={"code": -2010, "msg": "no"}),
    "html": Told(status=502, body=b"<html>"),
    "not json": Told(body=b"x"),
    "redirect": Told(status=307, body=b"", headers={"Location": "http://127.0.0.1:9/"}),
    "limited": Told(status=429, body=b""),
    "dropped": Told(close_first=True),
    "silent": Told(hang=True),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("act", [place, cancel, read])
async def test_no_secret_in_an_error_or_behind_it(fault: str, act: Act) -> None:
    """Neither the text, nor the arguments, nor the locals of any frame of an error hold a key or a signature."""
    async with served(lambda _: FAULTS[fault], timeout_s=0.2) as (server, exchange):
        with pytest.raises(GuardianError) as caught:
            await act(exchange)
    found = everything_about(caught.value)
    assert_clean(found)
    mark = server.seen[0].parameters["signature"]
    assert mark not in found


@pytest.mark.parametrize("act", [place, cancel, read])
async def test_no_secret_behind_a_refused_connection(act: Act) -> None:
    """The same where nothing was sent."""
    async with exchange_at("http://127.0.0.1:1") as exchange:
        with pytest.raises(GuardianError) as caught:
            await act(exchange)
    assert_clean(everything_about(caught.value))


@pytest.mark.parametrize("act", [place, cancel, read])
async def test_no_secret_in_the_frames_of_a_cancelled_request(act: Act) -> None:
    """A request that is given up while the exchange is silent leaves a cancellation without the key in its frames."""
    async with served(lambda _: Told(hang=True)) as (server, exchange):
        task = asyncio.ensure_future(act(exchange))
        while not server.seen:
            await asyncio.sleep(0.01)
        task.cancel("given up")
        with pytest.raises(asyncio.CancelledError, match="given up") as caught:
            await task
    assert_clean(everything_about(caught.value))


@pytest.mark.parametrize("seed", [b"short", SEED])
async def test_no_ed25519_key_is_kept_in_the_open(seed: bytes) -> None:
    """A private key is neither an attribute of the client nor behind the error of one that cannot sign."""
    async with served(lambda _: Told(status=400, body=b"x"), keys=ed25519_pair(seed)) as (_, exchange):
        with pytest.raises(GuardianError) as caught:
            await place(exchange)
        assert exchange._client().PRIVATE_KEY is None
        assert_clean(everything_about(caught.value))
        assert b64encode(seed).decode() not in everything_about(caught.value)


async def test_client_and_exchange_show_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """repr, vars (of the client, its session and all it holds) and the log at its most talkative hold no key."""
    caplog.set_level(logging.DEBUG)
    async with served(lambda seen: answer(seen.method, seen.path)) as (_, exchange):
        await exchange.balances()
        await place(exchange)
        client = exchange._client()
        for thing in (exchange, exchange._session, client, client.session, client._rate_limits, exchange._spec):
            assert_clean(repr(thing))
            assert_clean(repr(vars(thing)) if hasattr(thing, "__dict__") else "")
        assert (client.API_KEY, client.API_SECRET, client.PRIVATE_KEY) == (None, None, None)
        assert "x-mbx-apikey" not in {name.lower() for name in present(client.session).headers}
        assert (client.ws_api, client.ws_future) == (None, None)
        assert client.response is None
        with pytest.raises(TypeError):
            pickle.dumps(dict(exchange._session._signers))
    assert_clean(caplog.text)


async def test_session_never_sends_again_by_itself() -> None:
    """aiohttp's own second try of a DELETE is off, and so is every setting of the machine."""
    async with served() as (_, exchange):
        await exchange.ticker_price("BTCUSDT")
        session = present(exchange._client().session)
        assert session._retry_connection is False
        assert session.trust_env is False
        assert len(session.cookie_jar) == 0
