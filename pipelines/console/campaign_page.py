"""The page of a campaign in a terminal and as Markdown: books, rates, why messages failed, exceptions.

Also the overview: one line per campaign. The figures come from pipelines/review.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl
from rich.rule import Rule
from rich.text import Text

from pipelines.console.terminal import Grid, as_markdown, is_unicode, show, show_object
from pipelines.formatting import count, duration, instant, percent, printable, words
from pipelines.review.books import Books
from pipelines.review.figures import CampaignFigures
from pipelines.review.status import Overview
from pipelines.review.translations import Texts

MOST_CODES = 8
BAR_WIDTH = 10
ALWAYS_SHOWN = ("delivered", "failed")  # also if their count is 0

STYLES = {"delivered": "green", "failed": "red", "in_doubt": "yellow", "planned": "cyan", "accepted": "cyan"}

_text = Texts("en")


def show_campaign(figures: CampaignFigures, *, as_json: bool = False) -> None:
    """The books of one campaign, its rates, what failed and why, and the findings."""
    if as_json:
        show_object(figures.to_json())
    else:
        show(*_page(figures))


def campaign_as_markdown(figures: CampaignFigures) -> str:
    """The same page as Markdown, with all codes."""
    title = f"# {as_markdown(_title(figures))}\n\n{as_markdown(_state(figures.books))}\n"
    return "\n".join([title, *(grid.to_markdown() for grid in _grids(figures, most_codes=figures.codes.height))])


def overview_as_rows(overview: Overview) -> list[dict[str, Any]]:
    """A row for each campaign: balanced or not, the rates, and every status, the final ones first."""
    return [
        {
            "campaign": books.campaign_id,
            "state": _state(books),
            "balanced": "yes" if books.is_balanced else "NO",
            "rows": books.rows,
            **{_text(name): percent(rate.value) for name, rate in books.rates.items()},
            **{_text(f"status_{status}"): number for status, number in reversed(books.statuses.items())},
        }
        for books in overview.campaigns
    ]


def show_overview(overview: Overview, *, as_json: bool) -> None:
    """A line for each campaign."""
    if as_json:
        show_object(overview.to_json())
        return
    headings = ["campaign", "sent", "rows>", "delivered>", "rate>", "state"]
    lines = [
        (
            books.campaign_id,
            "" if books.first_submitted_at is None else instant(books.first_submitted_at)[:10],
            count(books.rows),
            count(books.statuses["delivered"]),
            percent(books.rates["delivered_of_accepted_rate"].value),
            _state(books),
        )
        for books in overview.campaigns
    ]
    if lines or not overview.purged:
        show(Grid(headings, lines) if lines else "no campaign yet; send one: smsrecon submit --help")
    if overview.purged:
        is_one = len(overview.purged) == 1
        purged = f"{count(len(overview.purged))} purged campaign{'' if is_one else 's'}"
        show(f"{purged}: 'smsrecon status {overview.purged[0]}' shows the final figures")


def _title(figures: CampaignFigures) -> str:
    when = "purged on" if figures.purged_at else "as of"
    return f"Campaign {figures.books.campaign_id}, {when} {instant(figures.books.as_of)}"


def _page(figures: CampaignFigures) -> Iterator[Any]:
    title = Text(_title(figures))
    title.stylize("bold", 0, title.plain.index(","))
    yield Rule(title, align="left", style="dim")
    yield from _grids(figures, most_codes=MOST_CODES)


def _grids(figures: CampaignFigures, *, most_codes: int) -> Iterator[Grid]:
    books = figures.books
    yield _books_grid(figures)
    yield _rates_grid(books)
    yield _facts_grid(books)
    if figures.refusals.height:
        refusals = figures.refusals.select("error_code", "message_count", "meaning").iter_rows()
        lines = [(error_code, count(number), meaning) for error_code, number, meaning in refusals]
        yield Grid(["error code", "messages>", "meaning"], lines, title=_text("heading_refusals"))
    if figures.codes.height:
        yield _codes_grid(figures.codes, most_codes)
    if figures.exceptions.height:
        lines = [
            (_text(f"exception_{kind}"), count(number), _text(f"exception_{kind}_step"))
            for kind, number in figures.exceptions.select("kind", "occurrence_count").iter_rows()
        ]
        yield Grid([_text("exception"), f"{_text('times')}>", _text("next_step")], lines, title="Exceptions")


def _books_grid(figures: CampaignFigures) -> Grid:
    books = figures.books
    lines: list[list[str | Text]] = []
    for status, number in books.statuses.items():
        if not number and status not in ALWAYS_SHOWN:
            continue
        share, style = number / books.rows, STYLES.get(status, "")
        lines.append(
            [
                Text(_text(f"status_{status}"), style),
                count(number),
                percent(share),
                Text(_bar(share), style),
                _text(f"status_{status}_meaning"),
            ]
        )
        if status != "duplicate":  # it has one reason only
            lines += [
                [Text(f"  {printable(words(reason))}", "dim"), Text(count(row_count), "dim"), "", "", ""]
                for reason_status, reason, row_count in figures.reasons.iter_rows()
                if reason_status == status
            ]
    verdict = Text("balanced", "bold green") if books.is_balanced else Text("DOES NOT BALANCE", "bold red")
    lines.append([Text("rows of the file", "bold"), Text(count(books.rows), "bold"), percent(1), "", verdict])
    return Grid(["status", "rows>", "share>", "", ""], lines, title=_text("heading_books"))


def _rates_grid(books: Books) -> Grid:
    lines = [
        (
            _text(name),
            Text(percent(rate.value), "bold"),
            "" if rate.low is None or rate.high is None else f"{percent(rate.low)} – {percent(rate.high)}",
            f"{count(rate.numerator)} of {count(rate.denominator)}",
        )
        for name, rate in books.rates.items()
    ]
    title = "Rates" if books.is_mature else "Rates, which can still change"
    return Grid(["", "rate>", "95 % interval", "messages"], lines, title=title)


def _facts_grid(books: Books) -> Grid:
    return Grid(["", ""], list(_facts(books)), title="Sending, delivery and replies")


def _facts(books: Books) -> Iterator[tuple[str, str]]:
    if books.first_submitted_at is not None and books.last_submitted_at is not None:
        states = ", ".join(f"{count(number)} {words(state)}" for state, number in books.batches.items() if number)
        first, last = instant(books.first_submitted_at), instant(books.last_submitted_at)
        yield "sent", first if first == last else f"{first} to {last}"
        if states:
            yield "batches", states
    if books.proven_batch_count:
        is_one = books.proven_batch_count == 1
        batches = f"{count(books.proven_batch_count)} {'batch' if is_one else 'batches'}"
        yield (
            "doubt settled",
            f"{batches} of {count(books.proven_message_count)} messages had no answer; reports prove"
            f" {'it' if is_one else 'them'} sent",
        )
    median, most, nearly_all = books.latency_seconds.values()
    if median is not None and most is not None and nearly_all is not None:
        yield (
            "delivered in",
            f"{duration(median)} for half of them, {duration(most)} for 90 %, {duration(nearly_all)} for 99 %",
        )
    yield "replies", f"{count(books.reply_count)}, of which {count(books.opt_out_count)} opt out"
    if books.near_opt_out_count:
        yield (
            "maybe opt-outs",
            f"{count(books.near_opt_out_count)} to read: 'smsrecon suppress review --campaign {books.campaign_id}'",
        )
    yield "segments", f"{count(books.accepted_segment_count)} accepted"
    if books.accepted_cost is not None and books.failed_cost is not None:
        yield "cost", f"{books.accepted_cost:,.2f}, of which {books.failed_cost:,.2f} for messages that failed"
    if books.paused_reason:
        yield "paused", f"{printable(books.paused_reason)}; go on with 'smsrecon resume {books.campaign_id}'"


def _codes_grid(codes: pl.DataFrame, most: int) -> Grid:
    lines = [
        (
            row["code"],
            count(row["message_count"]),
            percent(row["of_failed_rate"]),
            _text(f"party_{row['responsible_party']}"),
            row["meaning"],
        )
        for row in codes.head(most).iter_rows(named=True)
    ]
    rest = codes.slice(most)
    if rest.height:
        number, share = int(rest["message_count"].sum()), float(rest["of_failed_rate"].sum())
        lines.append((f"{rest.height} more", count(number), percent(share), "", ""))
    return Grid(["code", "failed>", "share>", "who can act", "meaning"], lines, title=_text("heading_codes"))


def _state(books: Books) -> str:
    """State of a campaign in a word or two, the most urgent first."""
    if not books.is_balanced:
        return "BOOKS WRONG"
    if books.statuses["in_doubt"]:
        return f"{count(books.statuses['in_doubt'])} in doubt"
    if books.statuses["planned"]:
        return f"{count(books.statuses['planned'])} to send"
    return "closed" if books.is_mature else "can still change"


def _bar(share: float) -> str:
    """A bar as long as the share. Eighths of a block make small shares visible; an encoding without blocks gets `#`."""
    if not is_unicode():
        return "#" * max(round(share * BAR_WIDTH), share > 0)
    eighths = round(share * BAR_WIDTH * 8)
    return "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8] or "▏" * (share > 0)
