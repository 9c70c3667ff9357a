"""The sections of the report about the log: calls, denials, approvals, what is not resolved, and the verification."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from guardian.report.activity import Activity, ToolActivity
from guardian.report.charts import Chart, Series, figure
from guardian.report.elements import MOST_ROWS, Child, element, head, meter, not_shown, number, table
from guardian.report.number_text import NONE, counted, duration, exact, moment, percent
from guardian.report.report_figures import ApprovalLine, Denials, ReportFigures, VerificationWords
from guardian.report.time_steps import TimeSteps

MOST_APPROVALS: Final = 30
_GROUPS: Final = (
    ("Done", "done", ("done",)),
    ("Asked a person", "asked", ("confirmation_required",)),
    ("Denied", "denied", ("denied",)),
    ("Other", "other", ()),
)
"""How outcomes are put together on the chart: a name, a colour, the outcomes; all the rest are the last."""


def attention(figures: ReportFigures) -> Element | None:
    """Returns what the reader has to see first: a broken log, and orders that are not resolved; None without any."""
    items = []
    if figures.verification is not None and figures.verification.tone == "bad":
        items.append(
            element("li", element("strong", f"The log: {figures.verification.result}. "), "See the end of the page.")
        )
    items += [element("li", f"{moment(time_ms)}: ", element("strong", what)) for time_ms, what in figures.unresolved]
    items += [
        element("li", f"{one.order} waits for your answer: ", element("code", f"guardian approve {one.proposal_id}"))
        for one in [one for one in figures.approvals if one.waits][:MOST_ROWS]
    ]
    if not items:
        return None
    return element("section", element("h2", "Needs you"), element("ul", *items), class_="attention")


def calls_section(figures: ReportFigures) -> Element:
    """Returns what the assistant called, how it ended, and how long it took."""
    activity = figures.activity
    section = element("section", element("h2", "Calls"))
    if not activity.calls:
        section.append(element("p", "No call was made in this period.", class_="quiet"))
        return section
    heads = [
        head("Tool"), head("Calls", number=True), head("Not done", number=True), head("Median", number=True),
        head("95 of 100 within", number=True), head("Longest", number=True),
    ]  # fmt: skip
    tools = table("Calls by tool, and the time from call to answer", heads, map(_tool_row, activity.tools[:MOST_ROWS]))
    drawn = element("div", figure(_calls_chart(activity, figures.steps)), _outcomes(activity), class_="charts")
    section.extend((drawn, element("div", tools, not_shown(len(activity.tools)), class_="card")))
    return section


def _outcomes(activity: Activity) -> Element:
    rows = [
        (
            element("th", outcome.replace("_", " "), scope="row"),
            number(f"{count:,}"),
            number(percent(Decimal(count) / activity.calls)),
        )
        for outcome, count in list(activity.outcomes.items())[:MOST_ROWS]
    ]
    heads = [head("Outcome"), head("Calls", number=True), head("Share", number=True)]
    return element(
        "div",
        table(f"How {counted(activity.calls, 'call')} ended", heads, rows),
        not_shown(len(activity.outcomes)),
        class_="card",
    )


def _calls_chart(activity: Activity, steps: TimeSteps) -> Chart:
    named = {outcome for _, _, outcomes in _GROUPS for outcome in outcomes}
    series = []
    for name, colour, outcomes in _GROUPS:
        wanted = outcomes or tuple(outcome for outcome in activity.outcomes_by_step if outcome not in named)
        rows = [activity.outcomes_by_step[outcome] for outcome in wanted if outcome in activity.outcomes_by_step]
        if rows:
            counts = (sum(column) for column in zip(*rows, strict=True))
            series.append(Series(name, tuple(Decimal(count) if count else None for count in counts), colour))
    step = steps.kind.value
    return Chart(
        title="Calls",
        unit=f"calls by {step}",
        labels=steps.labels,
        step=step,
        series=tuple(series),
        summary=f"{counted(activity.calls, 'call')} in all.",
    )


def _tool_row(tool: ToolActivity) -> Iterator[Child]:
    yield element("th", tool.tool, scope="row")
    yield number(f"{tool.calls:,}")
    yield number(f"{tool.not_done:,}" if tool.not_done else NONE)
    for time_ms in (tool.median_ms, tool.nearly_all_ms, tool.longest_ms):
        yield number(NONE if time_ms is None else duration(time_ms))


def denials_section(denials: Denials) -> Element:
    """Returns which rules said no, and the newest denials in words."""
    section = element("section", element("h2", "Denied by the policy"))
    if not denials.count:
        section.append(element("p", "Nothing was denied in this period.", class_="quiet"))
        return section
    most = max(count for _, count in denials.by_rule) if denials.by_rule else 1
    heads = [head("Rule"), head("Denials", number=True), head("Share of the most")]
    rows = [
        (
            element("th", element("code", rule), scope="row"),
            number(f"{count:,}"),
            element("td", meter(count / most, warns=False)),
        )
        for rule, count in denials.by_rule[:MOST_ROWS]
    ]
    what = counted(denials.count, "call was denied", "calls were denied")
    section.append(element("p", f"{what}. A call may be denied by several rules.", class_="lead"))
    section.append(
        element("div", table("Denials by rule", heads, rows), not_shown(len(denials.by_rule)), class_="card")
    )
    listed = [(element("td", moment(at), class_="time"), asked, why) for at, asked, why in denials.newest]
    newest = table("The newest denials", [head("Time"), head("Asked"), head("Why not")], listed, class_="words")
    section.append(element("div", newest, class_="card"))
    return section


def approvals_section(approvals: tuple[ApprovalLine, ...]) -> Element:
    """Returns which orders a person was asked about, and how long their answers took."""
    section = element("section", element("h2", "Approvals"))
    if not approvals:
        section.append(element("p", "No order was put to a person in this period.", class_="quiet"))
        return section
    took = sorted(one.took_ms for one in approvals if one.took_ms is not None)
    answered = ""
    if took:
        half, slowest = duration(took[(len(took) - 1) // 2]), duration(took[-1])
        answered = f" Half of the answers took {half} or less, the slowest {slowest}."
    states = ", ".join(
        f"{sum(one.state == state for one in approvals):,} {state}"
        for state in sorted({one.state for one in approvals})
    )
    asked = counted(len(approvals), "order was", "orders were")
    section.append(element("p", f"{asked} put to a person: {states}.{answered}", class_="lead"))
    shown = approvals[:MOST_APPROVALS]
    more = f", the newest {len(shown)} of {len(approvals):,}" if len(shown) < len(approvals) else ""
    heads = [head("Time"), head("Proposal"), head("Order"), head("Answer"), head("How"), head("After", number=True)]
    rows = [
        (
            element("td", moment(one.time_ms), class_="time"),
            element("td", element("code", one.proposal_id)),
            one.order,
            one.state,
            one.how or NONE,
            number(NONE if one.took_ms is None else duration(one.took_ms)),
        )
        for one in shown
    ]
    section.append(element("div", table(f"Orders that a person was asked about{more}", heads, rows), class_="card"))
    return section


def events_section(events: tuple[tuple[int | None, str], ...]) -> Element | None:
    """Returns halts, resumes, and what the owner changed; None where nothing was."""
    if not events:
        return None
    rows = [(element("td", moment(time_ms), class_="time"), what) for time_ms, what in events]
    listed = table("Newest first", [head("Time"), head("What happened")], rows, class_="words")
    return element("section", element("h2", "Halts and changes"), element("div", listed, class_="card"))


def verification_section(verification: VerificationWords | None) -> Element:
    """Returns whether the log is whole, in the words of `guardian audit verify`."""
    section = element("section", element("h2", "Is the log whole?"))
    if verification is None:
        section.append(element("p", "There is no log yet.", class_="quiet"))
        return section
    result = element("strong", verification.result, class_=f"tag {verification.tone}")
    section.append(element("p", result, class_="lead"))
    details = (part for name, value in verification.details for part in (element("dt", name), element("dd", value)))
    section.append(element("dl", *details, class_="details card"))
    for texts, kind in ((verification.findings, "findings"), (verification.notes, "notes")):
        if texts:
            more = not_shown(len(texts))
            section.append(element("ul", *(element("li", one) for one in texts[:MOST_ROWS]), class_=kind))
            section.extend([] if more is None else [more])
    note = "This page is a copy: whoever has it can change it. What proves the log is "
    section.append(element("p", note, element("code", "guardian audit verify"), ".", class_="note"))
    return section


def rows_text(figures: ReportFigures) -> str:
    """Returns how much of the log the report is of, and how it ends."""
    if figures.head is None:
        return "The log is empty."
    seq, digest = figures.head
    return f"{counted(figures.rows, 'row')} of the log in this period; it ends at row {exact(Decimal(seq))}, {digest}."
