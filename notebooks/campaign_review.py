"""One campaign, in pictures: what became of every row, how it compares, and what to do next.

    marimo run notebooks/campaign_review.py -- --data-dir demo/data [--campaign ID] [--language zh]

It only reads what is published. In the browser, ?campaign=ID&language=zh chooses too. Queries are in sql/figures,
charts in pipelines/review.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="smsrecon: campaign review")


with app.setup:
    from pathlib import Path

    import marimo as mo

    from pipelines.review import campaign_charts as charts
    from pipelines.review import figures, html, tables
    from pipelines.review.translations import LANGUAGES, Words
    from pipelines.settings import load_settings


@app.cell
def place():
    settings = load_settings()
    data_dir = Path(mo.cli_args().get("data-dir") or settings.data_dir)
    campaigns = figures.published_campaigns(data_dir)
    asked = {**mo.cli_args().to_dict(), **mo.query_params().to_dict()}
    first = Words(asked["language"] if asked.get("language") in LANGUAGES else settings.review.language)
    mo.stop(not campaigns, mo.md(first("no_campaign")))
    wanted = str(asked.get("campaign") or campaigns[0])
    mo.stop(wanted not in campaigns, mo.md(first("no_such_campaign", name=wanted)))
    return campaigns, data_dir, first, settings, wanted


@app.cell
def choice(campaigns, first, wanted):
    campaign = mo.ui.dropdown(campaigns, value=wanted, label=first("choose_campaign"))
    language = mo.ui.dropdown(LANGUAGES, value=first.language, label=first("choose_language"))
    mo.hstack([campaign, language], justify="start", gap=2, wrap=True).style(padding_right="3rem")  # marimo's button
    return campaign, language


@app.cell
def reading(campaign, data_dir, language, settings):
    of = figures.campaign_review(data_dir, campaign.value, min_message_count=settings.alerts.min_message_count)
    words = Words(language.value)
    _title = f"# {words('campaign', name=of.books.campaign_id)}\n\n{' · '.join(html.facts(of, words))}"
    mo.vstack([mo.md(_title), mo.Html(f"<style>{html.STYLE}</style>")])
    return of, words


@app.cell
def books(of, words):
    mo.Html(html.picture(words, charts.books, of))


@app.cell
def rates(of, words):
    mo.Html(html.picture(words, charts.rates, of))


@app.cell
def codes(of, words):
    mo.Html(html.picture(words, charts.codes, of))


@app.cell
def movers(of, words):
    mo.Html(html.picture(words, charts.movers, of))


@app.cell
def exceptions(of, words):
    _table = tables.exceptions(of, words)
    _shown = mo.Html(html.table_of(_table)) if _table.height else mo.md(words("exceptions_none"))
    mo.vstack([mo.md(f"### {words('h_exceptions')}"), _shown])


@app.cell
def refusals(of, words):
    _table = tables.refusals(of, words)
    _shown = mo.Html(html.table_of(_table)) if _table.height else mo.md(words("refusals_none"))
    mo.vstack([mo.md(f"### {words('h_refusals')}"), _shown])


@app.cell
def sending(of, words):
    mo.Html(html.picture(words, charts.sending, of))


@app.cell
def latency(of, words):
    mo.Html(html.picture(words, charts.latency, of))


@app.cell
def carriers(of, words):
    _both = (charts.carriers, charts.provinces)
    mo.Html("".join(html.picture(words, _chart, of) for _chart in _both if of.carriers.height))


@app.cell
def owner(of, words):
    mo.Html("".join(html.picture(words, charts.owner, *_column) for _column in of.owner.items()) or words("owner_none"))


@app.cell
def replies(of, words):
    mo.Html(html.picture(words, charts.replies, of))


if __name__ == "__main__":
    app.run()
