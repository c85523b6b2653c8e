"""Results in a terminal: tables that are readable at 80 columns, without colour, and in a pipe.

Everything here goes to standard output. With `as_json` that is one object and nothing else.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from rich.console import Console
from rich.table import Table

from pipelines.campaign.plan import Plan
from pipelines.campaign.submit import Submission
from pipelines.review.books import NEVER_SENT, Books, CampaignReport, Rate

CHINA = ZoneInfo("Asia/Shanghai")
WIDTH = 80
MOST_CODES = 8

_MEANINGS = {
    "invalid": "can't be sent",
    "duplicate": "the phone stands in an earlier row",
    "suppressed": "on a list of phones not to write to",
    "planned": "still to be sent",
    "refused": "the gateway said no",
    "in_doubt": "may have been sent, no answer to trust",
    "accepted": "taken by the gateway, no report yet",
    "unreported": "taken, and the report window has passed",
    "delivered": "the phone has it",
    "failed": "a report says why not",
}


def show(value: Any) -> None:
    """One object as JSON: dataclasses as objects, instants in China's time, errors as their message."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_jsonable))  # noqa: T201


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(CHINA).isoformat()
    if isinstance(value, Exception | date):
        return str(value)
    return str(value) if not hasattr(value, "__dataclass_fields__") else asdict(value)


def show_report(report: CampaignReport, *, as_json: bool = False) -> None:
    """The books of one campaign, its rates, what failed and why, the findings, and where to look next."""
    if as_json:
        show(report.to_json())
        return
    console = _console()
    books = report.books
    console.print()
    console.rule(f"[bold]Campaign {books.campaign_id}[/]  as of {_instant(books.as_of)}", style="dim")
    console.print(_books_table(books))
    for disposition, reason, count in report.reasons:
        console.print(f"  {count:>9,}  {disposition}: {reason}", highlight=False, style="dim")
    console.print(_rates_table(books))
    if report.codes:
        console.print(_codes_table(report))
    if report.refusals:
        headings = [("error code", "left"), ("messages", "right"), ("meaning", "left")]
        lines = [(code, f"{count:,}", meaning) for code, meaning, count in report.refusals]
        console.print(_table("Refused by the gateway", headings, lines))
    if report.exceptions:
        headings = [("kind", "left"), ("times", "right"), ("for example", "left")]
        lines = [(line.kind, f"{line.finding_count:,}", line.detail) for line in report.exceptions]
        console.print(_table("Exceptions", headings, lines))
    if books.paused_reason:
        console.print(f"[bold]Paused:[/] {books.paused_reason}; go on with 'smsrecon resume {books.campaign_id}'")


def show_campaigns(books: list[Books], *, as_json: bool) -> None:
    """A line for each campaign."""
    if as_json:
        show({"campaigns": [book.to_json() for book in books]})
        return
    headings = [("campaign", "left")]
    headings += [(name, "right") for name in ("rows", "to send", "in doubt", "waiting", "delivered", "rate", "books")]
    lines = [
        (
            book.campaign_id,
            f"{book.rows:,}",
            f"{book.statuses['planned']:,}",
            f"{book.statuses['in_doubt']:,}",
            f"{book.statuses['accepted']:,}",
            f"{book.statuses['delivered']:,}",
            _percent(book.rates["delivered_of_accepted_rate"].value),
            "balanced" if book.is_balanced else "WRONG",
        )
        for book in books
    ]
    _console().print(
        _table("Campaigns", headings, lines) if lines else "no campaign yet; send one: smsrecon submit --help"
    )


def show_plan(plan: Plan, *, balance: int | None, price: float | None, as_json: bool) -> None:
    """What a dry run found."""
    record = plan.record
    if as_json:
        show(
            {
                "campaign_id": record.campaign_id,
                "rows": record.row_count,
                "dispositions": plan.disposition_counts,
                "reasons": [
                    {"disposition": disposition, "reason": reason, "rows": count}
                    for disposition, reason, count in plan.reason_counts
                ],
                "messages": record.message_count,
                "batches": record.planned_batch_count,
                "segments": record.segment_count,
                "balance": balance,
                "cost": None if price is None else round(record.segment_count * price, 2),
                "first_texts": plan.first_texts,
            }
        )
        return
    console = _console()
    lines = [(name, f"{count:,}", _MEANINGS[name]) for name, count in plan.disposition_counts.items()]
    lines.append(("rows of the file", f"{record.row_count:,}", ""))
    headings = [("disposition", "left"), ("rows", "right"), ("meaning", "left")]
    console.print(_table(f"Dry run of {record.campaign_id}: nothing was sent", headings, lines))
    for disposition, reason, count in plan.reason_counts:
        console.print(f"  {count:>9,}  {disposition}: {reason}", highlight=False, style="dim")
    cost = "" if price is None else f", cost {record.segment_count * price:,.2f}"
    left = "the gateway could not be asked" if balance is None else f"{balance:,} segments"
    console.print(f"\n{record.message_count:,} messages in {record.planned_batch_count:,} batches", highlight=False)
    console.print(f"{record.segment_count:,} segments{cost}; balance: {left}", highlight=False)
    for text in plan.first_texts:
        console.print("  " + text, markup=False, highlight=False)


def show_submission(submission: Submission, *, as_json: bool) -> None:
    """What a submission did."""
    counts, pause = submission.progress.counts, submission.pause
    campaign_id = submission.plan.record.campaign_id
    left = submission.progress.total - submission.progress.done
    if as_json:
        show(
            {
                "campaign_id": campaign_id,
                "messages": submission.plan.record.message_count,
                "submitted_now": counts,
                "still_to_send": left,
                "in_doubt_batches": submission.in_doubt_batch_count,
                "paused_reason": pause.reason if pause else None,
            }
        )
        return
    console = _console()
    done = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in counts.items())
    console.print(f"{campaign_id}: {done}; {left:,} still to send", highlight=False)
    if pause:
        console.print(f"paused: {pause.reason}; go on with 'smsrecon resume {campaign_id}'", highlight=False)
    if submission.in_doubt_batch_count:
        console.print(
            f"{submission.in_doubt_batch_count} batches are in doubt: they may have been sent, and are never sent again"
            " by themselves; reports settle them: 'smsrecon daily'",
            highlight=False,
        )


def show_lines(title: str, lines: dict[str, Any], *, as_json: bool) -> None:
    """A small summary: names and values."""
    if as_json:
        show(lines)
        return
    shown = [
        (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in lines.items()
    ]
    _console().print(_table(title, [("", "left"), ("", "right")], shown))


def show_table(title: str, rows: list[dict[str, Any]], *, as_json: bool, name: str) -> None:
    """Rows of equal shape, as `{name: [...]}` in JSON."""
    if as_json:
        show({name: rows})
        return
    headings = [(heading.replace("_", " "), "left") for heading in (rows[0] if rows else {})]
    _console().print(_table(title, headings, [tuple(_cell(value) for value in row.values()) for row in rows]))


def show_rows(frame: pl.DataFrame, *, as_json: bool) -> None:
    """The answer to a query."""
    rows = frame.to_dicts()
    show_table(f"{len(rows):,} rows", rows[: None if as_json else 100], as_json=as_json, name="rows")


def _books_table(books: Books) -> Table:
    lines = []
    for status, count in books.statuses.items():
        if count or status not in (*NEVER_SENT, "planned", "refused", "in_doubt"):
            share = count / books.rows if books.rows else 0.0
            lines.append((status, f"{count:,}", f"{share:.1%}", _bar(share), _MEANINGS[status]))
    balanced = "balanced" if books.is_balanced else "DOES NOT BALANCE"
    lines.append(("rows of the file", f"{books.rows:,}", "100.0%" if books.rows else "", "", balanced))
    headings = [("status", "left"), ("rows", "right"), ("share", "right"), ("", "left"), ("", "left")]
    return _table("The books", headings, lines, is_last_total=True)


def _rates_table(books: Books) -> Table:
    headings = [("", "left"), ("rate", "right"), ("95 % interval", "left"), ("of", "left")]
    note = "" if books.is_mature else "  (can still move)"
    lines = [
        (rate.name, _percent(rate.value), _interval(rate), f"{rate.numerator:,} / {rate.denominator:,}")
        for rate in books.rates.values()
    ]
    return _table(f"Rates{note}", headings, lines)


def _codes_table(report: CampaignReport) -> Table:
    headings = [("code", "left"), ("failed", "right"), ("share", "right"), ("meaning", "left"), ("whose move", "left")]
    lines = [
        (line.code, f"{line.message_count:,}", _percent(line.failures_share), line.meaning, line.whose_move)
        for line in report.codes[:MOST_CODES]
    ]
    rest = report.codes[MOST_CODES:]
    if rest:
        share = sum(line.failures_share or 0 for line in rest)
        lines.append((f"{len(rest)} more", f"{sum(line.message_count for line in rest):,}", _percent(share), "", ""))
    return _table("Why messages failed", headings, lines)


def _table(
    title: str, headings: list[tuple[str, Any]], lines: Iterable[tuple[str, ...]], *, is_last_total: bool = False
) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, min_width=40)
    for heading, justify in headings:
        table.add_column(heading, justify=justify, no_wrap=justify == "right", overflow="fold", header_style="dim")
    lines = list(lines)
    for number, line in enumerate(lines):
        is_total = is_last_total and number == len(lines) - 1
        table.add_row(*line, style="bold" if is_total else None)
    return table


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=max(WIDTH, console.width))


def _bar(share: float, width: int = 12) -> str:
    """Eighths of a block, so that small shares show too."""
    eighths = round(share * width * 8)
    blocks = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    return blocks or ("▏" if share else "")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _interval(rate: Rate) -> str:
    return "" if rate.low is None or rate.high is None else f"{rate.low:.1%} – {rate.high:.1%}"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(CHINA):%Y-%m-%d %H:%M}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
