"""`proof` and `channel` have to fit one another, and `live` takes no answer that a program can give."""

from __future__ import annotations

import pytest

from guardian.errors import PolicyInvalid
from guardian.policy.loading.load import load_policy

SYMBOL = '[symbols.BTCUSDT]\nmax_notional = "100"\nmax_quantity = "0.005"\nmax_position = "0.02"\n'


def mistakes(environment: str, channel: str, proof: str) -> str:
    """What the loader says of a policy with these; empty where it is valid."""
    text = (
        f'schema = 1\nenvironment = "{environment}"\n[confirmation]\nchannel = "{channel}"\nproof = "{proof}"\n{SYMBOL}'
    )
    try:
        load_policy(text)
    except PolicyInvalid as error:
        return error.message
    return ""


@pytest.mark.parametrize("environment", ["testnet", "live"])
@pytest.mark.parametrize("channel", ["terminal", "elicit", "chat"])
@pytest.mark.parametrize("proof", ["terminal", "pin", "passkey"])
def test_channel_and_proof_fit_one_another(environment: str, channel: str, proof: str) -> None:
    """A channel that proves nothing goes with no proof, and neither goes with `live`."""
    found = mistakes(environment, channel, proof)
    on_live = environment == "live"
    assert ("confirmation.channel" in found and "is refused on live" in found) == (on_live and channel != "terminal")
    assert ('"terminal" is refused on live' in found) == (on_live and proof == "terminal")
    assert ("proves nothing" in found) == (channel != "terminal" and proof != "terminal")
    assert (found == "") == (
        (channel == "terminal" and not (on_live and proof == "terminal")) or (not on_live and proof == "terminal")
    )
