"""The page in a real browser, with a virtual passkey: what a person sees, does, and cannot be made to do."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.secrets import Secret
from guardian.errors import ProofRefused, StoreUnavailable
from guardian.gate.owner.changes import OwnerChanges
from guardian.gate.owner.session_mandate import MandateTerms, arm
from guardian.proofs.pin_hash import pin_hash
from guardian.store.owner.owner_records import ChangeKind
from guardian.store.schema.records import Scope
from tests.cli.test_owner_commands import events, proposed, states, trading
from tests.console.support.asked import asked_to_agree, asked_to_register
from tests.console.support.browser import Owner
from tests.console.support.key import CREDENTIAL, Key
from tests.console.support.served import ServedConsole
from tests.e2e.support.processes import query
from tests.support.world import World

SitDown = Callable[..., Owner]
PASSKEY: dict[str, Any] = {"confirmation": {"channel": "terminal", "proof": "passkey"}}
PIN: dict[str, Any] = {"confirmation": {"channel": "terminal", "proof": "pin"}}
LIMIT = {"order_type": "LIMIT", "quantity": "0.001", "price": "59000"}


def registered(console: ServedConsole, owner: Owner) -> None:
    """The owner has a passkey that was registered before."""
    key = Key(console.origin)
    key.is_registered(console)
    owner.plug_in_passkey()
    owner.has_passkey(CREDENTIAL, key.private_key())


@pytest.fixture
def owner(world: World, console: ServedConsole, sit_at_browser: SitDown) -> Owner:
    """A person with a registered passkey, under a policy that demands it."""
    world.policy(PASSKEY)
    person = sit_at_browser()
    registered(console, person)
    return person


def card(page: Page, name: str) -> Locator:
    return page.locator(f'article[data-proposal="{name}"]')


def begin(page: Page, name: str) -> Locator:
    """Look at an order, and open the question about it; the dialog."""
    card(page, name).get_by_role("button", name="Approve").click()
    dialog = page.get_by_role("dialog", name="Approve this order?")
    expect(dialog).to_be_visible()
    return dialog


def agree(page: Page, name: str) -> None:
    begin(page, name).get_by_role("button", name="Approve with").click()


def event_bodies(world: World) -> list[dict[str, Any]]:
    """What the events of the log say, oldest first."""
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    return [json.loads(row["body"])["data"] for row in rows]


def refusals(world: World) -> list[str]:
    """The reasons of the answers that proved nothing, from the log."""
    return [one["reason"] for one in event_bodies(world) if one["kind"] == "proof_refused"]


def posted(page: Page, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """What guardian answers to a request that the page's own session sends."""
    script = """async ([name, body]) => {
        const { ask } = await import("/requests.js");
        try { return { answer: await ask(name, body) }; }
        catch (error) { return { failed: error.message, status: error.status }; }
    }"""
    found = page.evaluate(script, [name, body])
    assert isinstance(found, dict)
    return found


def signed(page: Page, options: dict[str, Any]) -> dict[str, Any]:
    """What the passkey signs for these options."""
    found = page.evaluate('async (options) => (await import("/passkey.js")).sign(options)', options)
    assert isinstance(found, dict)
    return found


# Looking


def test_order_is_drawn_with_what_a_person_needs(world: World, console: ServedConsole, owner: Owner) -> None:
    """Environment in capitals, the side, how much, the money, the market now, each cap, the time left, who asked."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    shown = card(owner.page, name)
    expect(shown.get_by_role("heading", name="PAPER BUY 0.00082 BTCUSDT")).to_be_visible()
    expect(shown).to_contain_text("costs at most 49.6928282 USDT before fees")
    expect(shown).to_contain_text("fills at once, like a market order")
    expect(shown).to_contain_text(re.compile(r"60000 / 60001, fetched at \d\d:\d\d:\d\d"))
    expect(shown).to_contain_text("asked by")
    expect(shown).to_contain_text(re.compile(r"time left 1\d:\d\d"))
    meter = shown.get_by_role("meter", name="rolling_notional in 5m")
    expect(meter).to_have_attribute("aria-valuetext", "49.6928282 of 200 USDT")
    assert shown.get_by_role("meter").count() == 9
    expect(shown.get_by_role("button", name="Approve")).to_be_enabled()


def test_address_keeps_no_code(console: ServedConsole, owner: Owner) -> None:
    """After the login the code is neither in the address nor in the history, and a reload needs none."""
    link = console.link()
    owner.opens(link)
    assert owner.page.url == f"{console.origin}/"
    assert not any("#" in url for url in owner.page.evaluate("[location.href, document.referrer]"))
    owner.page.reload()
    expect(owner.page.get_by_role("heading", name="Waiting for you")).to_be_visible()
    assert all(link.partition("#")[2] not in url for url in owner.requests)


def test_second_use_of_a_link_says_how_to_get_another(console: ServedConsole, sit_at_browser: SitDown) -> None:
    """The page says that it was used, and takes the code of a new link."""
    link = console.link()
    sit_at_browser().opens(link)
    second = sit_at_browser()
    second.opens(link)
    expect(second.page.locator("#login-why")).to_contain_text("used already")
    expect(second.page.locator("#login-why")).to_contain_text("press Enter in the terminal")
    second.page.get_by_label("Link or code from the terminal").fill(console.link())
    second.page.keyboard.press("Enter")
    expect(second.page.get_by_role("heading", name="Waiting for you")).to_be_visible()


def test_terminal_proof_shows_the_command_and_approves_nothing(
    world: World, console: ServedConsole, sit_at_browser: SitDown
) -> None:
    """With `proof = "terminal"` the page has no button for a yes, and guardian takes none from it."""
    name = proposed(world.assistant())
    person = sit_at_browser()
    person.opens(console.link())
    expect(card(person.page, name)).to_contain_text(f"guardian approve {name}")
    expect(card(person.page, name).get_by_role("button", name="Approve")).to_be_hidden()
    refused = posted(person.page, "approval/begin", {"proposal_id": name})
    assert "given in a terminal" in refused["failed"]
    assert states(world) == {name: "waiting"}


# Approving


def test_passkey_approves_and_the_order_is_placed(world: World, console: ServedConsole, owner: Owner) -> None:
    """One question, one signature, one order; the log has the proof."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    agree(owner.page, name)
    result = owner.page.get_by_role("dialog", name="Done")
    expect(result).to_contain_text("placed: filled: 0.00082 at 60001 on average")
    assert len(world.sent()) == 1
    assert states(world) == {name: "sent"}
    (data,) = [one for one in event_bodies(world) if one["kind"] == "approved"]
    assert (data["proof"]["kind"], data["proof"]["passkey"]) == ("passkey", "laptop")
    assert data["proof"]["assertion"]["origin"] == console.origin


def test_token_is_shown_once_where_the_assistant_is_to_place_it(
    world: World, console: ServedConsole, owner: Owner
) -> None:
    """It is the one thing that redeems the order, works once, and is gone from the page when it is closed."""
    assistant = world.assistant()
    name = proposed(assistant)
    owner.opens(console.link())
    dialog = begin(owner.page, name)
    dialog.get_by_label("show a token for the assistant").check()
    dialog.get_by_role("button", name="Approve with").click()
    expect(owner.page.locator("#token")).to_have_text(re.compile(".{24}"))
    token = owner.page.locator("#token").inner_text()
    assert world.sent() == []
    owner.page.get_by_role("button", name="Close").click()
    expect(owner.page.locator("#token")).to_have_text("")
    assert assistant.call("create_order", confirmation_token=token)["outcome"] == "done"
    assert len(world.sent()) == 1


def test_pin_approves_and_a_wrong_one_costs_a_try(
    world: World, console: ServedConsole, sit_at_browser: SitDown
) -> None:
    """The PIN is typed into a field that hides it; a wrong one says how many tries are left, and can be corrected."""
    world.policy(PIN)
    changes = OwnerChanges(console.opened.journal, random_bytes=secrets.token_bytes, keyring=lambda: console.items)
    changes.set_pin(pin_hash(Secret("correct horse"), secrets.token_bytes), None)
    name = proposed(world.assistant())
    person = sit_at_browser()
    person.opens(console.link())
    dialog = begin(person.page, name)
    field = dialog.get_by_label("PIN", exact=True)
    assert (field.get_attribute("type"), field.get_attribute("autocomplete")) == ("password", "off")
    field.fill("wrong horse")
    dialog.get_by_role("button", name="Approve with your PIN").click()
    expect(dialog).to_contain_text("4 of 5 tries are left")
    expect(field).to_have_value("")
    assert states(world) == {name: "waiting"}
    field.fill("correct horse")
    dialog.get_by_role("button", name="Approve with your PIN").click()
    expect(person.page.get_by_role("dialog", name="Done")).to_contain_text("placed: filled")
    assert "correct horse" not in str(query(world.home, "SELECT body FROM audit"))


def test_passkey_that_does_not_verify_its_user_approves_nothing(
    world: World, console: ServedConsole, owner: Owner
) -> None:
    """A touch alone is no yes: the browser refuses already, and so would guardian."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    owner.is_recognised(False)
    dialog = begin(owner.page, name)
    dialog.get_by_role("button", name="Approve with").click()
    expect(dialog).to_contain_text("Nothing was approved", timeout=70_000)
    assert states(world) == {name: "waiting"}
    assert world.sent() == []


def test_signature_without_user_verification_is_refused_and_in_the_log(
    world: World, console: ServedConsole, owner: Owner
) -> None:
    """Where a page asks the passkey for less than guardian does, what comes of it proves nothing."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    asked = posted(owner.page, "approval/begin", {"proposal_id": name})["answer"]
    owner.is_recognised(False)
    asked["options"]["publicKey"]["userVerification"] = "discouraged"
    proof = signed(owner.page, asked["options"])
    refused = posted(owner.page, "approval/finish", finish(name, asked, proof))
    assert "did not verify who used it" in refused["failed"]
    assert refusals(world) == ["the authenticator did not verify who used it"]
    assert states(world) == {name: "waiting"}


def finish(name: str, asked: dict[str, Any], proof: dict[str, Any]) -> dict[str, Any]:
    return {"proposal_id": name, "handle": asked["handle"], "proof": proof, "place": True}


def test_signature_for_one_order_approves_no_other(world: World, console: ServedConsole, owner: Owner) -> None:
    """Posted for another order, with either question, it is refused, and each try is in the log."""
    assistant = world.assistant()
    one, other = proposed(assistant), proposed(assistant, **LIMIT)
    owner.opens(console.link())
    first = posted(owner.page, "approval/begin", {"proposal_id": one})["answer"]
    second = posted(owner.page, "approval/begin", {"proposal_id": other})["answer"]
    proof = signed(owner.page, first["options"])
    for asked in (second, first):
        assert posted(owner.page, "approval/finish", finish(other, asked, proof))["status"] == 403
    assert refusals(world) == ["the signature is not for what was shown now"] * 2
    assert states(world) == {one: "waiting", other: "waiting"}
    assert world.sent() == []


def test_replayed_signature_approves_nothing(world: World, console: ServedConsole, owner: Owner) -> None:
    """The same answer a second time, to the same question and to a new one about the same order."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    asked = posted(owner.page, "approval/begin", {"proposal_id": name})["answer"]
    proof = signed(owner.page, asked["options"])
    sent = {**finish(name, asked, proof), "place": False}
    assert posted(owner.page, "approval/finish", sent)["answer"]["token"]
    again = posted(owner.page, "approval/begin", {"proposal_id": name})["answer"]
    for handle in (asked["handle"], again["handle"]):
        assert posted(owner.page, "approval/finish", {**sent, "handle": handle})["status"] == 403
    assert refusals(world) == ["the signature is not for what was shown now"] * 2
    assert events(world).count("approved") == 1


@pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON"])
def test_altered_signature_is_refused(world: World, console: ServedConsole, owner: Owner, part: str) -> None:
    """One character changed in any part of the answer."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    asked = posted(owner.page, "approval/begin", {"proposal_id": name})["answer"]
    proof = signed(owner.page, asked["options"])
    text = proof["response"][part]
    proof["response"][part] = f"{text[:20]}{'A' if text[20] != 'A' else 'B'}{text[21:]}"
    assert posted(owner.page, "approval/finish", finish(name, asked, proof))["status"] == 403
    assert len(refusals(world)) == 1
    assert states(world) == {name: "waiting"}


def test_answer_within_a_second_of_the_question_is_not_taken(
    world: World, console: ServedConsole, owner: Owner
) -> None:
    """A double click, or an Enter that was meant for something else, approves nothing."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    expect(card(owner.page, name).get_by_role("button", name="Approve")).to_be_enabled()
    was_off = owner.page.evaluate(AT_ONCE, name)
    assert was_off is True
    expect(owner.page.get_by_role("button", name="Approve with")).to_be_enabled()
    assert events(world).count("approved") == 0
    assert states(world) == {name: "waiting"}


AT_ONCE = """async (name) => {
    document.querySelector(`[data-proposal="${name}"] .primary`).click();
    const dialog = document.getElementById("approve"), yes = document.getElementById("approve-yes");
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    while (!dialog.open) await pause(5);
    await pause(400);
    const off = yes.disabled;
    yes.click();
    document.getElementById("approve-form").requestSubmit();
    return off;
}"""
"""Opens the question and answers it 0.4 s later, before anybody can have read it."""


def test_order_that_would_be_denied_now_cannot_be_approved(world: World, console: ServedConsole, owner: Owner) -> None:
    """The reasons are shown, the button is off, and guardian puts no question either."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    expect(card(owner.page, name).get_by_role("button", name="Approve")).to_be_enabled()
    world.market("60400", "60401")
    expect(card(owner.page, name)).to_contain_text("CONFIRMATION_PRICE_DRIFT")
    expect(card(owner.page, name).get_by_role("button", name="Approve")).to_be_disabled()
    assert "would be denied now" in posted(owner.page, "approval/begin", {"proposal_id": name})["failed"]


def test_order_that_expires_while_it_is_looked_at_is_gone(world: World, console: ServedConsole, owner: Owner) -> None:
    """The question is closed with a sentence; an answer that was on its way approves nothing."""
    world.policy({"confirmation": {"channel": "terminal", "proof": "passkey", "proposal_ttl": "12s"}})
    name = proposed(world.assistant())
    owner.opens(console.link())
    begin(owner.page, name)
    expect(owner.page.get_by_role("dialog", name="Nothing was approved")).to_contain_text(
        "no longer waits", timeout=30_000
    )
    expect(card(owner.page, name)).to_have_count(0)
    expect(owner.page.get_by_text("Nothing waits for you.")).to_be_visible()
    assert world.sent() == []


def test_what_is_stale_is_not_approved(world: World, console: ServedConsole, owner: Owner) -> None:
    """Where guardian does not answer, the page says so, and every yes is off until it does again."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    yes = card(owner.page, name).get_by_role("button", name="Approve")
    expect(yes).to_be_enabled()
    owner.context.route("**/api/now", lambda route: route.abort())
    expect(owner.page.get_by_role("alert")).to_contain_text("does not answer")
    expect(yes).to_be_disabled()
    owner.context.unroute("**/api/now")
    expect(yes).to_be_enabled()
    expect(owner.page.get_by_role("alert")).to_be_hidden()


def test_order_of_another_policy_is_left_to_the_terminal(world: World, console: ServedConsole, owner: Owner) -> None:
    """This page judges by one policy; the order of another is shown with the command that judges it by its own."""
    name = proposed(world.assistant())
    world.policy(PASSKEY, {"limits": {"max_open_orders": 4}})
    owner.opens(console.link())
    expect(card(owner.page, name)).to_contain_text("This page cannot judge it: the policy")
    expect(card(owner.page, name)).to_contain_text(f"guardian approve {name}")
    expect(card(owner.page, name).get_by_role("button", name="Approve")).to_be_disabled()


def test_log_that_cannot_be_read_is_said(world: World, console: ServedConsole, owner: Owner) -> None:
    """What is shown may be old then, so that nothing can be approved until the log is back."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    yes = card(owner.page, name).get_by_role("button", name="Approve")
    expect(yes).to_be_enabled()
    real = console.server.data.now

    async def locked(known_seq: int) -> dict[str, Any]:
        raise StoreUnavailable("the log cannot be read: it is locked")

    console.server.data.now = locked
    expect(owner.page.get_by_role("alert")).to_contain_text("the log cannot be read: it is locked")
    expect(yes).to_be_disabled()
    console.server.data.now = real
    expect(yes).to_be_enabled()


# Rejecting, cancelling, halting


def test_rejecting_takes_a_reason_and_asks_nothing_else(world: World, console: ServedConsole, owner: Owner) -> None:
    """The order is gone, and the reason is in the log on the page, as text."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    card(owner.page, name).get_by_role("button", name="Reject").click()
    owner.page.get_by_label("Reason, for the log").fill("<img src=x onerror=alert(1)> too dear")
    owner.page.get_by_role("button", name="Reject", exact=True).click()
    expect(card(owner.page, name)).to_have_count(0)
    expect(owner.page.locator("#log")).to_contain_text("<img src=x onerror=alert(1)> too dear")
    assert owner.page.locator("#log img").count() == 0
    assert states(world) == {name: "rejected"}


def test_halt_asks_nothing(world: World, console: ServedConsole, owner: Owner) -> None:
    """One press halts; the page says so in red, and what waits would be denied."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    owner.page.get_by_role("button", name="Halt trading").click()
    expect(owner.page.locator("#trading")).to_contain_text("trading is halted")
    assert trading(world) == "halted"
    expect(owner.page.get_by_role("button", name="Halt trading")).to_be_hidden()
    expect(card(owner.page, name)).to_contain_text("TRADING_HALTED")


def test_open_order_is_cancelled_on_the_page(world: World, console: ServedConsole, sit_at_browser: SitDown) -> None:
    """Each open order has a button with the order's name; the list is empty after it."""
    world.policy({"confirmation": {"required_above": "100", "channel": "terminal"}})
    assert world.assistant().order(**LIMIT)["outcome"] == "done"
    person = sit_at_browser()
    person.opens(console.link())
    person.page.get_by_role("button", name="Cancel the order BUY 0.001 BTCUSDT at 59000").click()
    expect(person.page.get_by_text("No order is open.")).to_be_visible()
    assert person.page.get_by_role("dialog").count() == 0


def test_pending_change_of_what_proves_a_yes_is_shown(world: World, console: ServedConsole, owner: Owner) -> None:
    """A change that nobody proved is an alarm on the page until it is cancelled."""
    changes = OwnerChanges(console.opened.journal, random_bytes=secrets.token_bytes, keyring=lambda: console.items)
    changes.request(ChangeKind.PASSKEY_REMOVE, "laptop")
    owner.opens(console.link())
    expect(owner.page.locator("#alarms")).to_contain_text("the passkey `laptop` can be removed without a proof")


def test_session_mandate_is_shown_and_ended_by_one_press(
    world: World, console: ServedConsole, sit_at_browser: SitDown
) -> None:
    """What is placed without a question, what is left of it, and a button that asks nothing."""
    world.assistant()
    policy = console.opened.policy_file.current().policy
    connection = console.run(console.opened.connector.connect(needs_keys=True))
    terms = MandateTerms(
        scope=Scope(environment="paper", account=connection.account),
        currency="USDT",
        budget=Decimal(300),
        max_order=Decimal(50),
        symbols=frozenset({"BTCUSDT"}),
        lasts_ms=7_200_000,
        policy_digest=policy.digest,
    )
    terminal = ProofGiven(kind=Proof.TERMINAL)
    arm(console.opened.journal, terms, policy, terminal, random_bytes=secrets.token_bytes)
    person = sit_at_browser()
    person.opens(console.link())
    armed = person.page.locator("#mandate")
    expect(armed).to_contain_text("orders on BTCUSDT are placed without asking you")
    expect(armed).to_contain_text(re.compile("300 of 300 USDT left, at most 50 an order, for (119|120) min"))
    person.page.get_by_role("button", name="Disarm").click()
    expect(armed).to_be_hidden()
    expect(person.page.locator("#log")).to_contain_text("disarmed")


# For everybody


def test_keyboard_alone_is_enough(world: World, console: ServedConsole, owner: Owner) -> None:
    """Tab reaches every control with a visible focus; Enter opens, Escape closes, a dialog keeps the focus inside."""
    name = proposed(world.assistant())
    owner.opens(console.link())
    page = owner.page
    expect(card(page, name).get_by_role("button", name="Approve")).to_be_enabled()
    tab_to(page, "Approve…")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Approve this order?")
    expect(dialog).to_be_visible()
    inside = "document.activeElement === document.body || document.activeElement.closest('#approve') !== null"
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert states(world) == {name: "waiting"}
    assert page.evaluate("document.activeElement.textContent") == "Approve…"
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("button", name="Approve with")).to_be_enabled()
    tab_to(page, "Approve with your passkey")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Done")).to_contain_text("placed: filled")
    page.keyboard.press("Escape")
    assert len(world.sent()) == 1


def tab_to(page: Page, words: str) -> None:
    """Press Tab until the control with these words has the focus, which is seen."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == words:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    pytest.fail(f"no Tab reaches {words!r}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1100])
def test_page_fits_and_can_be_read(
    world: World, console: ServedConsole, sit_at_browser: SitDown, width: int, scheme: str
) -> None:
    """No sideways scroll at 390 pixels, and AA contrast of all text and controls in both schemes."""
    world.policy(PASSKEY)
    person = sit_at_browser(viewport={"width": width, "height": 844}, color_scheme=scheme)
    registered(console, person)
    name = proposed(world.assistant())
    person.opens(console.link())
    expect(card(person.page, name).get_by_role("button", name="Approve")).to_be_enabled()
    expect(person.page.get_by_text("A yes needs your passkey.")).to_be_visible()
    assert person.page.evaluate("document.documentElement.scrollWidth") <= width
    assert too_faint(person.page) == []
    begin(person.page, name)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= width
    assert too_faint(person.page, "dialog[open]") == []
    background = person.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


CONTRAST = """(place) => {
    const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const colour = (text) => text.match(/[\\d.]+/g).map(Number);
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const found = colour(getComputedStyle(node).backgroundColor);
            if (found.length < 4 || found[3] === 1) return found;
        }
        return colour(getComputedStyle(document.body).backgroundColor);
    };
    const faint = [];
    for (const node of document.querySelectorAll(`${place} *`)) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!own || !node.checkVisibility() || node.disabled) continue;
        const [a, b] = [light(colour(getComputedStyle(node).color)), light(ground(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faint.push(`${node.tagName} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
    }
    return faint;
}"""


def too_faint(page: Page, place: str = "body") -> list[str]:
    """The pieces of text with less than 4.5 to 1 to what is behind them."""
    found = page.evaluate(CONTRAST, place)
    assert isinstance(found, list)
    return found


CONTROLS = {"button", "textbox", "radio", "meter", "region", "dialog", "table", "link", "checkbox", "form"}


def test_every_control_has_a_name_for_a_screen_reader(world: World, console: ServedConsole, owner: Owner) -> None:
    """In the accessibility tree, with an order waiting, one open, and each dialog: none is nameless."""
    world.policy({"confirmation": {"channel": "terminal", "proof": "passkey", "required_above": "70"}})
    assistant = world.assistant()
    assert assistant.order(**LIMIT)["outcome"] == "done"
    name = proposed(assistant, order_type="LIMIT", quantity="0.0013", price="59100")
    owner.opens(console.link())
    expect(card(owner.page, name).get_by_role("button", name="Approve")).to_be_enabled()
    named(owner, least=12)
    begin(owner.page, name)
    named(owner, least=4)
    owner.page.keyboard.press("Escape")
    card(owner.page, name).get_by_role("button", name="Reject").click()
    named(owner, least=3)


def named(owner: Owner, *, least: int) -> None:
    """Fails where a control has no name, or where there are fewer than `least`."""
    roles = [(str(node["role"]["value"]), str(node.get("name", {}).get("value", ""))) for node in owner.nodes()]
    controls = [(role, name) for role, name in roles if role in CONTROLS]
    assert [role for role, name in controls if not name and role != "table"] == []
    assert len(controls) >= least, controls


def test_new_order_is_announced(world: World, console: ServedConsole, owner: Owner) -> None:
    """A live region says what waits as it comes, and the title of the window has the number."""
    owner.opens(console.link())
    expect(owner.page.get_by_text("Nothing waits for you.")).to_be_visible()
    proposed(world.assistant())
    status = owner.page.locator("#said[role=status][aria-live=polite]")
    expect(status).to_contain_text("An order waits for you on PAPER: BUY 0.00082 BTCUSDT")
    expect(owner.page).to_have_title("(1) guardian")


def test_text_of_a_client_is_never_markup(world: World, console: ServedConsole, owner: Owner) -> None:
    """The page's policy allows no markup to be made of text; what the log has is shown as it is."""
    proposed(world.assistant())
    owner.opens(console.link())
    refused = owner.page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; return false; } catch { return true; } }"
    )
    assert refused
    owner.problems.clear()


# One question of a command


def test_passkey_is_registered_on_its_page_and_approves(
    world: World, console: ServedConsole, sit_at_browser: SitDown
) -> None:
    """What `guardian passkey add` opens; from then on the passkey approves on the console's page."""
    world.policy(PASSKEY)
    person = sit_at_browser()
    person.plug_in_passkey()
    asked = asked_to_register(console, "phone")
    person.page.goto(asked.link)
    person.page.get_by_role("button", name="Make a passkey").click()
    expect(person.page.get_by_role("status")).to_contain_text("Done")
    assert asked.result().name == "phone"
    name = proposed(world.assistant())
    person.opens(console.link())
    agree(person.page, name)
    expect(person.page.get_by_role("dialog", name="Done")).to_contain_text("placed: filled")
    assert len(world.sent()) == 1


def test_passkey_that_does_not_verify_its_user_is_not_registered(
    console: ServedConsole, sit_at_browser: SitDown
) -> None:
    """The browser refuses to make it, and it can be tried again."""
    person = sit_at_browser()
    person.plug_in_passkey(verifies=False)
    asked = asked_to_register(console, "phone")
    person.page.goto(asked.link)
    person.page.get_by_role("button", name="Make a passkey").click()
    expect(person.page.get_by_role("status")).to_contain_text("You can try again", timeout=70_000)
    person.is_recognised(True)
    person.page.get_by_role("button", name="Make a passkey").click()
    expect(person.page.get_by_role("status")).to_contain_text("Done")
    assert asked.result().name == "phone"


def test_command_is_answered_by_a_passkey_on_its_page(world: World, console: ServedConsole, owner: Owner) -> None:
    """What is signed is shown whole; the proof is for exactly that statement."""
    statement = Statement(kind=StatementKind.RESUME, fields={"decision": "resume", "reason": "all is well"})
    asked = asked_to_agree(console, statement, "let trading go on?")
    owner.page.goto(asked.link)
    expect(owner.page.get_by_role("heading", name="let trading go on?")).to_be_visible()
    expect(owner.page.get_by_text("reason: all is well")).to_be_visible()
    owner.page.get_by_role("button", name="Yes, with my passkey").click()
    expect(owner.page.get_by_role("status")).to_contain_text("Done")
    assert asked.result().kind is Proof.PASSKEY


def test_command_gets_a_no_from_its_page(console: ServedConsole, owner: Owner) -> None:
    """A no is no proof, and no refusal either."""
    statement = Statement(kind=StatementKind.RESUME, fields={"decision": "resume"})
    asked = asked_to_agree(console, statement, "let trading go on?")
    owner.page.goto(asked.link)
    owner.page.get_by_role("button", name="No", exact=True).click()
    expect(owner.page.get_by_role("status")).to_contain_text("You said no")
    assert asked.result() is None


def test_command_refuses_an_answer_to_another_statement(world: World, console: ServedConsole, owner: Owner) -> None:
    """A signature that was made for something else ends the command with nothing changed, and is in the log."""
    one = asked_to_agree(console, Statement(kind=StatementKind.RESUME, fields={"decision": "one"}), "one?")
    other = asked_to_agree(console, Statement(kind=StatementKind.RESUME, fields={"decision": "other"}), "other?")
    owner.page.goto(one.link)
    expect(owner.page.get_by_role("heading", name="one?")).to_be_visible()
    proof = signed(owner.page, posted(owner.page, "question", {})["answer"]["options"])
    owner.page.goto(other.link)
    expect(owner.page.get_by_role("heading", name="other?")).to_be_visible()
    assert posted(owner.page, "answer", {"proof": proof})["status"] == 403
    with pytest.raises(ProofRefused):
        other.result()
    assert refusals(world) != []
    one.over()
    assert one.result() is None


def test_question_takes_one_answer(console: ServedConsole, owner: Owner) -> None:
    """A second answer, the first one or another, is refused."""
    asked = asked_to_agree(console, Statement(kind=StatementKind.RESUME, fields={"decision": "x"}), "x?")
    owner.page.goto(asked.link)
    expect(owner.page.get_by_role("heading", name="x?")).to_be_visible()
    proof = signed(owner.page, posted(owner.page, "question", {})["answer"]["options"])
    assert "answer" in posted(owner.page, "answer", {"proof": proof})
    assert "answered already" in posted(owner.page, "answer", {"proof": proof})["failed"]
    assert asked.result().kind is Proof.PASSKEY


def test_nothing_can_be_answered_without_the_link(console: ServedConsole, owner: Owner) -> None:
    """The page for one question needs a session as every page does."""
    asked = asked_to_agree(console, Statement(kind=StatementKind.RESUME, fields={"decision": "x"}), "x?")
    owner.page.goto(asked.page.origin)
    assert posted(owner.page, "question", {})["status"] == 401
    assert posted(owner.page, "answer", {"proof": None})["status"] == 401
    asked.over()
    assert asked.result() is None
