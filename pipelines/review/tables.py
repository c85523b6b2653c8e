"""The tables of the campaign report and its notebook: exceptions with their next step, and refusals by the gateway."""

import polars as pl

from pipelines.formatting import count
from pipelines.review.figures import CampaignFigures
from pipelines.review.translations import Texts


def exceptions(figures: CampaignFigures, text: Texts) -> pl.DataFrame:
    """One row per kind of exception: how often it occurred, what it means and what to do."""
    rows = [
        (text(f"exception_{kind}"), count(number), text(f"exception_{kind}_step"))
        for kind, number in figures.exceptions.select("kind", "occurrence_count").iter_rows()
    ]
    return _table([text("exception"), text("times"), text("next_step")], rows)


def refusals(figures: CampaignFigures, text: Texts) -> pl.DataFrame:
    """One row per error code: how many messages it refused, and what it means."""
    rows = [
        (row["error_code"], count(row["message_count"]), text.of(row, "meaning"))
        for row in figures.refusals.iter_rows(named=True)
    ]
    return _table([text("error_code"), text("messages"), text("meaning")], rows)


def _table(headings: list[str], rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(headings, pl.String), orient="row")
