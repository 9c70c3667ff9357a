"""The day of an honest assistant on paper, under the ready-made testnet policy but for its environment.

Nothing is denied that should not be, and each reply says what a person would ask.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from guardian.home.folder import ready_made_policy
from tests.support.person import approve
from tests.support.world import World, codes


def _under_the_testnet_policy(world: World) -> None:
    text = ready_made_policy("testnet").read_text("utf-8")
    paper = (
        f'\n[paper]\nendpoint = "{world.paper.url}"\napi_key = "{world.paper.api_key.reveal()}"\n'
        f'api_secret = "{world.paper.api_secret.reveal()}"\n'
    )
    assert 'environment = "testnet"' in text
    world.write(text.replace('environment = "testnet"', 'environment = "paper"', 1) + paper)


def test_honest_day_goes_through_and_every_reply_answers_what_a_person_would_ask(world: World) -> None:
    """A market buy, a limit order below the market, a look at both, a cancel, and selling back what was bought."""
    _under_the_testnet_policy(world)
    assistant = world.assistant()

    asked = assistant.order(quote_quantity="60")
    assert asked["outcome"] == "confirmation_required"
    assert asked["data"]["confirmation_token"] is None
    assert f"guardian approve {asked['data']['proposal_id']}" in asked["data"]["next_step"]
    # 0.00099 is what 60 buys at 60601.01, the ask and 1 %, in steps of 0.00001.
    assert asked["data"]["order"]["costs_at_most"] == "59.9949999"

    again = assistant.order(quote_quantity="60")
    assert again["data"]["proposal_id"] == asked["data"]["proposal_id"]
    assert again["data"]["state"] == "waiting"

    token = approve(assistant, asked["data"]["proposal_id"])
    bought = assistant.call("create_order", confirmation_token=token)
    assert bought["outcome"] == "done", bought
    order = bought["data"]["order"]
    assert order["state"] == "filled"
    assert "filled" in bought["data"]["note"]
    assert Decimal(order["average_price"]) == Decimal(60001)

    below = assistant.order(order_type="LIMIT", quantity="0.001", price="59000")
    token = approve(assistant, below["data"]["proposal_id"])
    resting = assistant.call("create_order", confirmation_token=token)
    assert resting["data"]["order"]["state"] == "open"

    seen = assistant.call("get_orders", symbol="BTCUSDT")
    assert [o["placed_by"] for o in seen["data"]["orders"]] == ["guardian", "guardian"]
    assert [o["state"] for o in seen["data"]["orders"]] == ["filled", "open"]
    assert seen["data"]["unresolved"] == []

    cancelled = assistant.call(
        "cancel_order", symbol="BTCUSDT", client_order_id=resting["data"]["order"]["client_order_id"]
    )
    assert cancelled["outcome"] == "done"
    assert cancelled["data"]["order"]["state"] == "cancelled"

    # What was bought, less the fee that the exchange took of it, in whole steps.
    fee = Decimal(order["commissions"].get("BTC", "0"))
    held = (Decimal(order["executed_quantity"]) - fee).quantize(Decimal("0.00001"), rounding="ROUND_DOWN")
    sold = assistant.order(side="SELL", quantity=str(held))
    token = approve(assistant, sold["data"]["proposal_id"])
    assert assistant.call("create_order", confirmation_token=token)["outcome"] == "done"


def test_selling_back_needs_no_budget_when_the_days_budget_is_spent(world: World) -> None:
    """With the rolling budget spent a BUY is denied and selling what was bought goes through."""
    changes = {
        "limits": {"rolling_notional": [{"window": "24h", "max": "100"}], "max_orders": [{"window": "24h", "max": 2}]},
        "confirmation": {"required_above": "1000"},
    }
    world.policy(changes)
    assistant = world.assistant()
    assert assistant.order(quantity="0.0008")["outcome"] == "done"
    assert assistant.order(quantity="0.0007")["outcome"] == "done"
    refused = assistant.order(quantity="0.0006")
    assert {"ROLLING_NOTIONAL_EXCEEDS_MAX", "ORDER_COUNT_EXCEEDS_MAX"} <= codes(refused)
    sold = assistant.order(side="SELL", quantity="0.00149")
    assert sold["outcome"] == "done", sold
    assert len(world.sent()) == 3


def test_selling_more_than_was_bought_is_no_exit(world: World) -> None:
    """Only what guardian bought, and has neither sold nor offered, leaves without a budget."""
    changes = {
        "limits": {"rolling_notional": [{"window": "24h", "max": "60"}]},
        "confirmation": {"required_above": "1000"},
    }
    world.policy(changes)
    assistant = world.assistant()
    assert assistant.order(quantity="0.0008")["outcome"] == "done"
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in codes(assistant.order(side="SELL", quantity="0.0009"))
    offered = assistant.order(side="SELL", order_type="LIMIT", quantity="0.0005", price="61000")
    assert offered["outcome"] == "done"
    # 0.0005 of it is offered already, so no more than the rest is an exit.
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in codes(assistant.order(side="SELL", quantity="0.0004"))


def test_a_mistake_in_size_and_the_right_order_after_it(world: World) -> None:
    """After an order over the cap was denied, one within it goes through."""
    world.policy({"confirmation": {"required_above": "1000"}})
    assistant = world.assistant()
    assert "NOTIONAL_EXCEEDS_MAX" in codes(assistant.order(quote_quantity="900"))
    assert assistant.order(quote_quantity="90")["outcome"] == "done"


def test_a_second_look_at_a_sent_proposal_says_that_it_was_placed(world: World, tmp_path: Path) -> None:
    """Asking again for an order that was placed a moment ago answers with it and sends nothing."""
    _under_the_testnet_policy(world)
    assistant = world.assistant()
    asked = assistant.order(quote_quantity="40")
    token = approve(assistant, asked["data"]["proposal_id"])
    assert assistant.call("create_order", confirmation_token=token)["outcome"] == "done"
    again = assistant.order(quote_quantity="40")
    assert again["outcome"] == "done"
    assert again["data"]["already_placed"] is True
    assert len(world.sent()) == 1


def test_a_rejected_proposal_stays_rejected(world: World) -> None:
    """After a person said no, asking again says so and proposes nothing new."""
    _under_the_testnet_policy(world)
    assistant = world.assistant()
    asked = assistant.order(quote_quantity="40")
    rejected = world.command("reject", asked["data"]["proposal_id"])
    assert rejected.returncode == 0, rejected.stderr
    again = assistant.order(quote_quantity="40")
    assert again["outcome"] == "confirmation_required"
    assert (again["data"]["proposal_id"], again["data"]["state"]) == (asked["data"]["proposal_id"], "rejected")


def test_no_tool_result_of_a_day_in_terminal_mode_redeems_a_proposal(world: World) -> None:
    """In terminal mode no string in any result of a whole day redeems a proposal."""
    import json
    import re

    _under_the_testnet_policy(world)
    assistant = world.assistant()
    first = assistant.order(quote_quantity="40")["data"]["proposal_id"]
    assistant.order(order_type="LIMIT", quantity="0.001", price="59000")
    approve(assistant, first)
    assistant.order(quote_quantity="40")
    assistant.call("get_orders", symbol="BTCUSDT")
    for resource in ("guardian://status", "guardian://policy", "guardian://audit/recent"):
        assistant.replies.append({"text": assistant.resource(resource)})
    words = set(re.findall(r"[A-Za-z0-9_-]{8,64}", json.dumps(assistant.replies)))
    assert len(words) > 30
    for word in words:
        assert assistant.call("create_order", confirmation_token=word)["outcome"] == "denied"
    assert world.sent() == []
