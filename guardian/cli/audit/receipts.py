"""`guardian audit receipt`: write the proof of an approval into one file, and check such a file on any machine."""

from __future__ import annotations

import os
from pathlib import Path

from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.render import fields, print_line, say, say_error, say_hint
from guardian.cli.support.times import utc_time
from guardian.domain.owner.proof import Proof
from guardian.domain.owner.statement import StatementKind
from guardian.gate.owner.receipt import MAX_BYTES, CheckedReceipt, NotAReceipt, check_receipt, write_receipt
from guardian.home.folder import checked_home
from guardian.store.log.order_rows import order_rows
from guardian.system.private_files import open_private


def receipt_of(name: str, out: Path | None) -> int:
    """Write the receipt of an order to a new file, or print it; returns the exit code. Raises StoreError."""
    try:
        content = write_receipt(order_rows(checked_home(), name))
        check_receipt(content)
    except NotAReceipt as error:
        say_error(f"there is no receipt of this order: {error.why}")
        return NO
    if out is None:
        for line in content.decode("utf-8").splitlines():
            print_line(line)
        return FINE
    try:
        with os.fdopen(open_private(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(content)
    except OSError as error:
        say_error(f"`{out}` cannot be written: {error.strerror or 'no reason given'}")
        say_hint("name a file that is not there yet")
        return COULD_NOT_TELL
    say(f"wrote `{out}`; check it anywhere with `guardian audit receipt --check {out}`")
    return FINE


def check(path: Path) -> int:
    """Say what a receipt shows. 0: a passkey signed it. 1: it was changed. 3: it holds, and nothing in it is signed."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        say_error(f"`{path}` cannot be read: {error.strerror or 'no reason given'}")
        return COULD_NOT_TELL
    try:
        found = check_receipt(content)
    except NotAReceipt as error:
        say_error(f"`{path}` is not a receipt that holds: {error.why}")
        return NO
    fields(list(_shown(found)))
    if found.proof.kind is not Proof.PASSKEY:
        say(
            f"it was approved by {found.proof.kind.value}: nothing in this file proves it, only the log that it is from"
        )
        return COULD_NOT_TELL
    if not found.is_registered:
        say("the log had no row of the passkey's registration: whose it is, its fingerprint alone can tell")
    return FINE


def _shown(found: CheckedReceipt) -> list[tuple[str, object]]:
    order = found.order
    return [
        ("approved by", _who(found)),
        ("approved", utc_time(found.approved_ms)),
        ("agreed to", _what(found)),
        ("prices shown", _prices(found)),
        ("policy", str(found.statement.fields.get("policy"))),
        ("account", f"{found.statement.fields.get('account')} on {found.environment.upper()}"),
        ("sent", f"{order.get('side')} {order.get('quantity')} {order.get('symbol')} at {order.get('price')}"),
        ("client order id", f"{found.client_order_id} (made of the intent's digest; the exchange has it too)"),
        ("outcome", f"{found.outcome or 'none yet'}, by the log that this is from"),
    ]


def _who(found: CheckedReceipt) -> str:
    if found.fingerprint is None:
        return found.proof.kind.value
    return f"the passkey `{found.proof.passkey_name}`, fingerprint {found.fingerprint}, its user verified"


def _what(found: CheckedReceipt) -> str:
    agreed = found.statement.fields
    if found.statement.kind is StatementKind.MANDATE:
        symbols = agreed.get("symbols")
        listed = ", ".join(map(str, symbols)) if isinstance(symbols, list) else ""
        return f"orders on {listed}, up to {agreed.get('budget')} {agreed.get('currency')} together"
    return f"this order, which counts as at most {agreed.get('counts_as')} {agreed.get('currency')}"


def _prices(found: CheckedReceipt) -> str:
    agreed = found.statement.fields
    if found.statement.kind is StatementKind.MANDATE:
        return "none: a mandate is for orders to come"
    shown = f"{agreed.get('shown_bid')}/{agreed.get('shown_ask')} when it was proposed"
    market = agreed.get("market")
    return f"{market.get('bid')}/{market.get('ask')} with the question, {shown}" if isinstance(market, dict) else shown
