"""The tables of the report and of the notebooks: exceptions with their next step, and what the gateway refused."""

import polars as pl

from pipelines.formatting import count
from pipelines.review.figures import CampaignFigures
from pipelines.review.translations import WORDS, Words


def exceptions(figures: CampaignFigures, words: Words) -> pl.DataFrame:
    """One row a kind of finding: how often, and what to do."""
    rows = [
        (_kind(kind, words), count(number), words(f"do_{kind}") if f"do_{kind}" in WORDS else example)
        for kind, number, example in figures.exceptions.iter_rows()
    ]
    return _table([words("found"), words("times"), words("next_step")], rows)


def refusals(figures: CampaignFigures, words: Words) -> pl.DataFrame:
    """One row an error code."""
    rows = [
        (row["error_code"], count(row["message_count"]), words.of(row, "meaning"))
        for row in figures.refusals.iter_rows(named=True)
    ]
    return _table([words("error_code"), words("messages"), words("meaning")], rows)


def _table(headings: list[str], rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(headings, pl.String), orient="row")


def _kind(kind: str, words: Words) -> str:
    name = f"{kind}_found" if f"{kind}_found" in WORDS else kind
    return words(name) if name in WORDS else kind
