"""Draws the README's pictures from a real session on the paper exchange: `python -m tests.reference.pictures`.

One is what the assistant gets for an order over the cap, the other what a person sees of an order that waits. The texts
are what guardian printed and replied in that run; prices and ids differ from run to run.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from guardian.home.folder import ready_made_policy
from tests.e2e.support.processes import Machine, Person, Served

PICTURES: Final = Path(__file__).parents[2] / ".github" / "pictures"
COLUMNS: Final = 96
SVG: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
    <style>
    .{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
        line-height: {line_height}px; font-variant-east-asian: full-width; }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
"""As rich's own, without the fonts that it would fetch from elsewhere."""


def main() -> None:
    """Draw both into `.github/pictures/`."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        machine = Machine(Path(folder) / "machine")
        machine.write_policy(ready_made_policy("paper").read_text("utf-8"))
        served = Served(machine)
        try:
            order = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET"}
            _draw("denied", "An order over the cap: what the assistant gets", _denied(served, order, "5000"))
            _draw("approval", "guardian approve", _approval(served, machine, order, "50"))
        finally:
            served.close()
            machine.end()


def _denied(served: Served, order: dict[str, str], quote: str) -> Text:
    reply = served.call("create_order", **order, quote_quantity=quote)
    text = _call(order, quote)
    text.append(f"{reply['outcome']}", "bold red")
    text.append(f"  nothing was sent; {len(reply['error']['denials'])} limits said no:\n")
    for denial in reply["error"]["denials"]:
        text.append(f"\n  {denial['code']}", "yellow")
        text.append(f"\n    {denial['message']}")
        if denial["observed"] is not None:
            text.append(f"\n    {denial['observed']}, the limit is {denial['limit']}", "bold")
        if denial["hint"] is not None:
            text.append(f"\n    {denial['hint']}", "cyan")
    return text


def _approval(served: Served, machine: Machine, order: dict[str, str], quote: str) -> Text:
    reply = served.call("create_order", **order, quote_quantity=quote)
    text = _call(order, quote)
    text.append(f"{reply['outcome']}", "bold yellow")
    proposal = reply["data"]["proposal_id"]
    text.append(f"  proposal {proposal}; nothing was sent\n\n")
    person = Person(machine.environment, "approve", proposal, "--submit", all_tty=True, columns=COLUMNS)
    person.waits_for("[y/N]")
    person.answers("y\n")
    _, _ = person.leaves()
    text.append(f"$ guardian approve {proposal} --submit\n", "bold")
    text.append_text(Text.from_ansi(person.seen.replace("\r\n", "\n").strip()))
    return text


def _call(order: dict[str, Any], quote: str) -> Text:
    text = Text("the assistant calls create_order\n", "dim")
    text.append(json.dumps({**order, "quote_quantity": quote}) + "\n\n")
    return text


def _draw(name: str, title: str, text: Text) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(text)
    svg = console.export_svg(title=title, theme=MONOKAI, code_format=SVG, unique_id=name)
    (PICTURES / f"{name}.svg").write_text(svg, "utf-8")


if __name__ == "__main__":
    main()
