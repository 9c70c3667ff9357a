"""Every request to the console: what is answered, what is refused, and what each response forbids a browser."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest

from guardian.console.web.request_checks import MAX_BODY_BYTES
from tests.cli.test_owner_commands import proposed, states, trading
from tests.console.support.served import RawBrowser, ServedConsole
from tests.support.world import World


def test_page_and_its_files_are_served_to_a_persons_first_visit(raw: RawBrowser) -> None:
    """The page has no data in it, so it needs no session; its script and style are files of their own."""
    page = raw.send("GET", "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = re.findall(r'(?:src|href)="(/[a-z.]+)"', page.body.decode())
    assert named == ["/icon.svg", "/page.css", "/page.js"]
    for path in (*named, "/draw.js", "/passkey.js", "/requests.js"):
        assert raw.send("GET", path).status == 200, path


def test_page_has_no_inline_script_or_style(raw: RawBrowser) -> None:
    """What the policy for content forbids is not in the page either."""
    text = raw.send("GET", "/").body.decode()
    assert not re.search(r"<script(?![^>]*src=)", text)
    assert "<style" not in text
    assert not re.search(r'\s(?:on[a-z]+|style)="', text)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/page.js"), ("POST", "/api/now"), ("GET", "/no")])
def test_each_response_forbids_what_a_hostile_page_would_use(raw: RawBrowser, method: str, path: str) -> None:
    """Answers and refusals alike: no framing, no script or style but the page's own, no store, no name of a server."""
    headers = raw.send(method, path, b"{}" if method == "POST" else None).headers
    policy = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "connect", "img")} == {"'self'"}
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "publickey-credentials-get=(self)" in headers["permissions-policy"]
    assert not {"server", "access-control-allow-origin"} & set(headers)


HOSTS = [
    "evil.example:{port}",
    "127.0.0.1:{port}",
    "localhost",
    "localhost:1",
    "LOCALHOST:{port}",
    "localhost.:{port}",
    "",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/api/login")])
def test_request_under_another_name_is_refused(
    console: ServedConsole, raw: RawBrowser, host: str, method: str, path: str
) -> None:
    """A name of somebody else's that leads to this machine (DNS rebinding) is not this page's, whatever it asks."""
    answered = raw.send(method, path, b"{}" if method == "POST" else None, host=host.format(port=console.port))
    assert answered.status == 403
    assert b"<html" not in answered.body


def test_two_hosts_and_no_host_are_refused(console: ServedConsole) -> None:
    """Host is exactly once in a request: of two, the one that is checked may not be the one that is meant."""
    for lines in ([], [f"Host: localhost:{console.port}", "Host: evil.example"]):
        with socket.create_connection(("127.0.0.1", console.port), timeout=10) as made:
            head = ["GET / HTTP/1.1", *lines, "Sec-Fetch-Site: none", "Sec-Fetch-Dest: document", "Connection: close"]
            made.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
            status = made.makefile("rb").readline()
        assert status.split()[1] in {b"400", b"403"}, status


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", None])
def test_request_that_another_page_sent_is_refused(page: RawBrowser, site: str | None) -> None:
    """Only the page's own script may ask for data; a browser that does not say who asked is refused too."""
    without = ("sec-fetch-site",) if site is None else ()
    options: dict[str, Any] = {} if site is None else {"sec_fetch_site": site}
    assert page.post("now", without=without, **options).status == 403
    assert page.send("GET", "/page.js", without=without, **options).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_page_is_not_opened_by_another_page(raw: RawBrowser, site: str) -> None:
    """A link on another page, an iframe and a fetch of another page get nothing."""
    assert raw.send("GET", "/", sec_fetch_site=site).status == 403
    assert raw.send("GET", "/", sec_fetch_dest="iframe").status == 403
    assert raw.send("GET", "/", sec_fetch_dest="empty").status == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost", "http://127.0.0.1:{port}", None]
)
def test_post_of_another_origin_is_refused(
    world: World, console: ServedConsole, page: RawBrowser, origin: str | None
) -> None:
    """Nothing is done for it, the halt that asks nothing included; nor is a link used up."""
    given = {} if origin is None else {"origin": origin.format(port=console.port)}
    without = ("origin",) if origin is None else ()
    assert page.post("halt", {"reason": ""}, without=without, **given).status == 403
    assert trading(world) == "active"
    link = console.link()
    assert RawBrowser(console).post("login", {"code": link}, without=without, **given).status == 403
    assert RawBrowser(console).log_in(link).status == 200


def test_get_with_a_foreign_origin_is_refused(raw: RawBrowser) -> None:
    """A browser sends an Origin with a GET where a page fetches across origins."""
    assert raw.send("GET", "/page.js", origin="https://evil.example").status == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
def test_post_that_a_form_could_send_is_refused(world: World, page: RawBrowser, kind: str | None) -> None:
    """A form of another page can send these kinds without asking first; JSON it cannot."""
    given = {} if kind is None else {"content_type": kind}
    without = ("content-type",) if kind is None else ()
    assert page.post("halt", {"reason": ""}, without=without, **given).status == 415
    assert trading(world) == "active"


def test_cookie_alone_is_no_session(world: World, console: ServedConsole, page: RawBrowser) -> None:
    """Cookies know no ports, so another server on `localhost` gets the cookie; it lacks the page's own token."""
    thief = RawBrowser(console)
    thief.cookie = page.cookie
    for token in (None, "", "0" * 64, page.cookie):
        thief.page_token = token
        assert thief.post("halt", {"reason": ""}).status == 401
        assert thief.post("now").status == 401
    without_cookie = RawBrowser(console)
    without_cookie.page_token = page.page_token
    assert without_cookie.post("now").status == 401
    assert trading(world) == "active"
    assert page.post("now").status == 200


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(console: ServedConsole, raw: RawBrowser) -> None:
    """HttpOnly, SameSite=Strict, for this host alone, and gone with the browser."""
    cookie = raw.log_in(console.link()).headers["set-cookie"].lower()
    attributes = {one.strip() for one in cookie.split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/"}


@pytest.mark.parametrize(
    "name", ["now", "order", "account", "reject", "cancel", "halt", "approval/begin", "approval/finish"]
)
def test_nothing_is_answered_without_a_session(world: World, raw: RawBrowser, name: str) -> None:
    """Every request but the login needs one; the answer says how to get one."""
    answered = raw.post(
        name, {"proposal_id": "X", "reason": "", "name": "n", "symbol": "BTCUSDT", "client_order_id": "g1-"}
    )
    assert answered.status == 401
    assert "press Enter in the terminal" in answered.json["error"]["hint"]
    assert trading(world) == "active"


def test_link_works_once_and_its_second_use_says_how_to_get_another(console: ServedConsole) -> None:
    """Whoever comes second learns that it was used, and the terminal says so too."""
    link = console.link()
    assert RawBrowser(console).log_in(link).status == 200
    second = RawBrowser(console).log_in(link)
    assert second.status == 401
    assert "used already" in second.message
    assert "press Enter in the terminal" in second.json["error"]["hint"]
    assert any("used already" in words for words in console.said)


def test_code_is_taken_as_a_person_types_it(console: ServedConsole) -> None:
    """Small letters, blanks and dashes, and the letters that are mistaken for digits."""
    code = console.link().partition("#")[2]
    typed = f" {code[:4].lower()}-{code[4:8].replace('0', 'O').replace('1', 'l')} {code[8:]}"
    assert RawBrowser(console).log_in(typed).status == 200


def test_five_wrong_codes_close_the_link(console: ServedConsole) -> None:
    """A program that guesses has five tries a link, and fills no terminal; the right code is refused after that."""
    link = console.link()
    for number in range(5):
        assert RawBrowser(console).log_in(f"GUESS{number}").status == 401
    locked = RawBrowser(console).log_in(link)
    assert (locked.status, "too many wrong codes" in locked.message) == (401, True)
    assert RawBrowser(console).log_in(console.link()).status == 200
    assert len(console.said) == 2


def test_new_link_replaces_the_one_before(console: ServedConsole) -> None:
    """One link is open at a time."""
    first, second = console.link(), console.link()
    assert RawBrowser(console).log_in(first).status == 401
    assert RawBrowser(console).log_in(second).status == 200


def test_logging_out_ends_the_session(page: RawBrowser) -> None:
    """The same secrets open nothing after that."""
    assert page.post("logout").status == 200
    assert page.post("now").status == 401


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10**9, 10**19])
def test_huge_body_is_refused_before_it_is_read(page: RawBrowser, size: int) -> None:
    """The length that a request announces is enough to refuse it."""
    assert page.send("POST", "/api/now", None, content_length=str(size)).status == 413


def test_body_without_a_length_is_refused(page: RawBrowser) -> None:
    """Pieces of unknown length have no bound."""
    assert page.send("POST", "/api/now", None, transfer_encoding="chunked").status == 411


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"text"', b"{", b"\xff", b"[" * 60_000])
def test_body_that_is_no_object_is_refused(page: RawBrowser, body: bytes) -> None:
    """Whatever comes in its place is a bad request, not a fault."""
    assert page.send("POST", "/api/now", body).status == 400


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("now", {"known_seq": "1"}),
        ("now", {"known_seq": True}),
        ("order", {}),
        ("order", {"proposal_id": 7}),
        ("order", {"proposal_id": "X" * 41}),
        ("reject", {"proposal_id": "X", "reason": "r" * 1001}),
        ("cancel", {"symbol": "BTCUSDT"}),
        ("approval/finish", {"proposal_id": "X", "handle": "h", "proof": "pin"}),
    ],
)
def test_fields_of_the_wrong_kind_are_refused(page: RawBrowser, name: str, sent: dict[str, object]) -> None:
    """Nothing is coerced, and every text is bounded."""
    assert page.post(name, sent).status == 400


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_not_answered(page: RawBrowser, method: str) -> None:
    """A preflight is not either: no other origin may send anything."""
    answered = page.send(method, "/api/halt")
    assert answered.status == 405
    assert not any(name.startswith("access-control") for name in answered.headers)


def test_method_is_not_confused(world: World, page: RawBrowser) -> None:
    """What changes something is a POST: neither a GET, nor a header that names another method, does it."""
    assert page.send("GET", "/api/halt").status == 405
    assert page.send("GET", "/page.js", x_http_method_override="POST").status == 200
    assert page.send("POST", "/", b"{}").status == 405
    assert page.send("GET", "/", b"{}", content_length="2").status == 400
    assert trading(world) == "active"


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/halt/", "//api/halt", "/../page.js", "/static/page.js", "/page.js?x=1"]
)
def test_only_the_exact_paths_are_answered(page: RawBrowser, path: str) -> None:
    """No redirect, no folder, no query."""
    assert page.send("GET", path).status in {404, 405}
    assert page.send("POST", path, b"{}").status in {404, 405}


def test_page_is_on_loopback_alone(console: ServedConsole) -> None:
    """Each socket is bound to a loopback address."""
    assert {one.getsockname()[0] for one in console.sockets} <= {"127.0.0.1", "::1"}
    if len(console.sockets) == 2:
        assert RawBrowser(console).send("GET", "/", address="::1").status == 200


def test_what_waits_is_shown_with_who_asked(world: World, page: RawBrowser) -> None:
    """From the store alone, with the name that the client gave itself; the tail comes once for each change."""
    name = proposed(world.assistant())
    shown = page.post("now", {"known_seq": -1}).json
    (one,) = shown["waiting"]
    assert (one["proposal_id"], one["environment"], one["view"]["order"]["side"]) == (name, "paper", "BUY")
    assert one["money"] == "costs at most 49.6928282 USDT before fees"
    assert one["asked_by"]
    assert shown["trading"] == "active"
    tail = [(call["tool"], call["detail"]) for call in shown["tail"]]
    assert tail == [("create_order", None), (None, "policy_in_force")]
    assert "tail" not in page.post("now", {"known_seq": shown["last_seq"]}).json


def test_order_is_shown_as_it_would_be_judged_now(world: World, page: RawBrowser) -> None:
    """The market as it is, each cap before and after; denied now, the reasons and no caps."""
    name = proposed(world.assistant())
    found = page.post("order", {"proposal_id": name}).json
    assert found["denials"] == []
    assert re.fullmatch(r"fills at once, like a market order: 60000/60001 at \d\d:\d\d:\d\d", found["at_market"])
    rolling = [cap for cap in found["caps"] if cap["limit"] == "rolling_notional"]
    assert [(cap["window"], cap["maximum"], cap["before"]) for cap in rolling] == [
        ("5m", "200", "0"),
        ("24h", "500", "0"),
    ]
    world.market("60400", "60401")
    moved = page.post("order", {"proposal_id": name}).json
    assert [one["code"] for one in moved["denials"]] == ["CONFIRMATION_PRICE_DRIFT"]
    assert moved["caps"] is None
    assert states(world) == {name: "waiting"}


def test_rejecting_writes_the_reason_down(world: World, page: RawBrowser) -> None:
    """It asks nothing; a second one says how it ended."""
    name = proposed(world.assistant())
    assert page.post("reject", {"proposal_id": name, "reason": "too dear"}).status == 200
    assert states(world) == {name: "rejected"}
    again = page.post("reject", {"proposal_id": name, "reason": ""})
    assert again.status == 409
    tail = page.post("now", {}).json["tail"]
    assert tail[-1]["detail"] == "rejected: too dear"


def test_halting_asks_nothing(world: World, page: RawBrowser) -> None:
    """One request halts trading in every process of the home, and the log has who did it."""
    assert page.post("halt", {"reason": ""}).status == 200
    assert trading(world) == "halted"
    assert page.post("now", {}).json["trading"] == "halted"


def test_open_order_is_cancelled_through_the_gate(world: World, page: RawBrowser) -> None:
    """As the owner, with the rows of a call in the log; one that is unknown is not cancelled and says so."""
    world.policy({"confirmation": {"required_above": "100", "channel": "terminal"}})
    reply = world.assistant().order(order_type="LIMIT", quantity="0.001", price="59000")
    assert reply["outcome"] == "done"
    (shown,) = page.post("now", {}).json["open"]
    sent = {"symbol": "BTCUSDT", "client_order_id": shown["client_order_id"]}
    assert page.post("cancel", sent).json["done"] is True
    assert page.post("now", {}).json["open"] == []
    unknown = page.post("cancel", {"symbol": "BTCUSDT", "client_order_id": "g1-" + "0" * 32}).json
    assert unknown["done"] is False
    assert unknown["message"].startswith("not")


def test_account_shows_status_budgets_and_positions(world: World, page: RawBrowser) -> None:
    """The same views as `guardian status` and `guardian position`."""
    world.policy({"confirmation": {"required_above": "100", "channel": "terminal"}})
    assert world.assistant().order(quote_quantity="50")["outcome"] == "done"
    found = page.post("account", {}).json
    assert found["status"]["orders"] == "not stopped"
    assert "BTC" in [one["asset"] for one in found["positions"]]
    assert {one["limit"] for one in found["status"]["budgets"]} >= {"rolling_notional", "max_orders"}


def test_text_from_outside_is_cleaned(world: World, page: RawBrowser) -> None:
    """A reason with markup and hidden characters is shown as text, with what is hidden made visible."""
    name = proposed(world.assistant())
    page.post("reject", {"proposal_id": name, "reason": "<b>\u202eno\u200b</b>"})
    assert page.post("now", {}).json["tail"][-1]["detail"] == "rejected: <b>\\u202eno\\u200b</b>"


def test_fault_of_guardian_is_opaque_on_the_page(console: ServedConsole, page: RawBrowser) -> None:
    """A bug says where to look; nothing of it is in the answer."""
    page_data = console.server.data

    async def fails(known_seq: int) -> dict[str, object]:
        raise RuntimeError("a secret detail")

    page_data.now = fails
    answered = page.post("now", {})
    assert answered.status == 500
    assert b"secret" not in answered.body


def test_answer_is_plain_json(page: RawBrowser) -> None:
    """No number in it is a float: amounts are decimal strings."""
    body = page.post("account", {}).body
    json.loads(body, parse_float=lambda text: pytest.fail(f"a float: {text}"))
