"""The campaign report: one self-contained HTML file, without scripts and without anything loaded from elsewhere.

Each chart is drawn twice as SVG, for a page and for a phone; the browser shows the one that fits, paper the first. The
charts are those of the notebook.
"""

import re
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any, Final

import polars as pl

from pipelines.errors import UsageError
from pipelines.files import written_whole
from pipelines.review import campaign_charts as charts
from pipelines.review import tables
from pipelines.review.chart_style import FONT, NARROW, WIDE, Chart, ChartContext, Picture
from pipelines.review.drawing import svg
from pipelines.review.figures import CampaignReview
from pipelines.review.translations import Language, Texts

# The style of figures and tables, here and in the notebooks.
STYLE: Final = (
    f"figure text {{ font-family: {FONT}; }}"
    """
figure { margin: 0 0 20px; }
figcaption { color: #666; font-size: 12.5px; line-height: 1.4; padding: 0 4px 10px; }
figcaption b { display: block; color: #222; font-size: 15px; }
figure svg { display: block; max-width: 100%; height: auto; }
.narrow { display: none; }
@media screen and (max-width: 700px) {
  .wide { display: none; }
  .narrow { display: block; }
}
table { border-collapse: collapse; width: 100%; max-width: 720px; }
th { font-weight: 400; color: #666; }
th, td { text-align: left; vertical-align: top; padding: 5px 14px 5px 0; border-bottom: 1px solid #eee; }
th { white-space: nowrap; }
td:first-child { min-width: 6.5em; }
th:nth-child(2), td:nth-child(2) { text-align: right; font-variant-numeric: tabular-nums; }
"""
)


def write(report: str, path: Path) -> int:
    """Write the campaign report, whole or not at all; returns its size in bytes.

    Raises UsageError if the file can't be written.
    """
    content = report.encode()
    try:
        with written_whole(path, overwrite=True, mode=0o644) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}); choose another file") from None
    return len(content)


def page(figures: CampaignReview, *, language: Language) -> str:
    """The campaign report as HTML."""
    text = Texts(language)
    sections = "\n".join(_sections(figures, text))
    return _PAGE.format(
        language={"en": "en", "zh": "zh-CN"}[language],
        style=STYLE,
        font=FONT,
        title=escape(text("campaign", name=figures.books.campaign_id)),
        facts=escape(" · ".join(facts(figures, text))),
        sections=sections,
        footer=escape(text("footer")),
    )


def facts(figures: CampaignReview, text: Texts) -> Iterator[str]:
    """The facts below the name of the campaign: sending times, money, and whether the books balance."""
    books = figures.books
    if books.first_submitted_at is None or books.last_submitted_at is None:
        yield text("not_sent")
    else:
        first, last = text.instant(books.first_submitted_at), text.instant(books.last_submitted_at)
        yield text("sent_at", first=first) if first == last else text("sent_between", first=first, last=last)
    yield text("figures_final" if books.is_mature else "figures_can_change")
    if books.accepted_cost is not None:
        yield text("cost", accepted=f"{books.accepted_cost:,.2f}", failed=f"{books.failed_cost:,.2f}")
    yield text("balanced" if books.is_balanced else "unbalanced")
    yield text("as_of", at=text.instant(books.as_of))


def figure(text: Texts, draw: Callable[..., Picture], *shown: Any) -> str:
    """A chart of `shown` as an HTML figure, drawn for a page and for a phone; the page needs STYLE."""
    wide, narrow = (draw(*shown, ChartContext(text, width)) for width in (WIDE, NARROW))
    caption = f"<figcaption><b>{escape(wide.title)}</b> {escape(wide.note)}</figcaption>"
    charts = "".join(
        f'<div class="{name}">{_svg(drawn.chart)}</div>'
        for name, drawn in (("wide", wide), ("narrow", narrow))
        if drawn.chart is not None
    )
    return f"<figure>{caption}{charts}</figure>"


def table(frame: pl.DataFrame) -> str:
    """A frame of texts as an HTML table; the page needs STYLE."""
    head = "".join(f"<th>{escape(name)}</th>" for name in frame.columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in frame.iter_rows())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _sections(figures: CampaignReview, text: Texts) -> Iterator[str]:
    def section(heading: str, *contents: str) -> str:
        return f"<section><h2>{escape(text(heading))}</h2>{''.join(contents)}</section>"

    def drawn(draw: Callable[..., Picture]) -> str:
        return figure(text, draw, figures)

    def tabled(frame: pl.DataFrame, no_rows: str) -> str:
        return table(frame) if frame.height else f"<p>{escape(text(no_rows))}</p>"

    yield section("heading_books", drawn(charts.books))
    yield section("heading_rates", drawn(charts.rates))
    yield section("heading_codes", drawn(charts.codes))
    yield section("heading_responsible_parties", drawn(charts.responsible_parties))
    yield section("heading_exceptions", tabled(tables.exceptions(figures, text), "no_exceptions"))
    yield section("heading_refusals", tabled(tables.refusals(figures, text), "no_refusals"))
    yield section("heading_sending", drawn(charts.sending))
    yield section("heading_latency", drawn(charts.latency))
    if figures.carriers.height:
        yield section("heading_carriers", drawn(charts.carriers), drawn(charts.provinces))
    if figures.owner:
        yield section("heading_owner", *(figure(text, charts.owner, *column) for column in figures.owner.items()))
    yield section("heading_replies", drawn(charts.replies))


def _svg(chart: Chart) -> str:
    """The chart as an SVG element, without the namespaces that only an SVG file needs."""
    return re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg(chart.to_dict(validate=False)))


_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}
body {{ font: 15px/1.5 {font}; color: #222; background: #fff; }}
body {{ max-width: 760px; margin: 0 auto; padding: 24px 20px; }}
h1 {{ font-size: 26px; margin: 0; overflow-wrap: anywhere; }}
h2 {{ font-size: 13px; font-weight: 600; color: #666; letter-spacing: 0.04em; margin: 0 0 10px; }}
section {{ margin-top: 36px; padding-top: 14px; border-top: 1px solid #ddd; }}
.facts, footer {{ color: #666; }}
footer {{ margin-top: 36px; font-size: 13px; }}
@media screen and (max-width: 700px) {{
  body {{ padding: 20px 16px; }}
}}
@media print {{
  body {{ padding: 0; font-size: 11pt; }}
  section {{ margin-top: 18px; }}
  h2 {{ break-after: avoid; }}
  figure, tr {{ break-inside: avoid; }}
}}
</style>
</head>
<body>
<header><h1>{title}</h1><div class="facts">{facts}</div></header>
{sections}
<footer>{footer}</footer>
</body>
</html>
"""
