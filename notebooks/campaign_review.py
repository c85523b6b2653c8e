"""One campaign in charts: the outcome of every row, the comparison with earlier campaigns, and what to do next.

    marimo run --token notebooks/campaign_review.py -- --data-dir demo/data [--campaign ID] [--language zh]

It only reads the published tables. In the browser, ?campaign=ID&language=zh chooses campaign and language. Queries are
in sql/figures, charts in pipelines/review.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="smsrecon: campaign review")


with app.setup:
    from pathlib import Path

    import marimo as mo

    from pipelines.review import campaign_charts as charts
    from pipelines.review import figures, html, tables
    from pipelines.review.translations import LANGUAGES, Texts
    from pipelines.settings import load_settings


@app.cell
def place():
    settings = load_settings()
    settings = settings.model_copy(update={"data_dir": Path(mo.cli_args().get("data-dir") or settings.data_dir)})
    campaigns = figures.published_campaigns(settings.published_folder)
    asked = {**mo.cli_args().to_dict(), **mo.query_params().to_dict()}
    initial_text = Texts(asked["language"] if asked.get("language") in LANGUAGES else settings.review.language)
    mo.stop(not campaigns, mo.md(initial_text("no_campaign")))
    wanted = str(asked.get("campaign") or campaigns[0])
    mo.stop(wanted not in campaigns, mo.plain_text(initial_text("no_such_campaign", name=wanted)))
    return campaigns, initial_text, settings, wanted


@app.cell
def choice(campaigns, initial_text, wanted):
    campaign = mo.ui.dropdown(campaigns, value=wanted, label=initial_text("choose_campaign"))
    language = mo.ui.dropdown(LANGUAGES, value=initial_text.language, label=initial_text("choose_language"))
    mo.hstack([campaign, language], justify="start", gap=2, wrap=True).style(padding_right="3rem")  # marimo's button
    return campaign, language


@app.cell
def reading(campaign, language, settings):
    review = figures.campaign_review(
        settings.published_folder, campaign.value, min_message_count=settings.alerts.min_message_count
    )
    text = Texts(language.value)
    _title = f"# {text('campaign', name=review.books.campaign_id)}\n\n{' · '.join(html.facts(review, text))}"
    mo.vstack([mo.md(_title), mo.Html(f"<style>{html.STYLE}</style>")])
    return review, text


@app.cell
def books(review, text):
    mo.Html(html.figure(text, charts.books, review))


@app.cell
def rates(review, text):
    mo.Html(html.figure(text, charts.rates, review))


@app.cell
def codes(review, text):
    mo.Html(html.figure(text, charts.codes, review))


@app.cell
def responsible_parties(review, text):
    mo.Html(html.figure(text, charts.responsible_parties, review))


@app.cell
def exceptions(review, text):
    _table = tables.exceptions(review, text)
    _shown = mo.Html(html.table(_table)) if _table.height else mo.md(text("no_exceptions"))
    mo.vstack([mo.md(f"### {text('heading_exceptions')}"), _shown])


@app.cell
def refusals(review, text):
    _table = tables.refusals(review, text)
    _shown = mo.Html(html.table(_table)) if _table.height else mo.md(text("no_refusals"))
    mo.vstack([mo.md(f"### {text('heading_refusals')}"), _shown])


@app.cell
def sending(review, text):
    mo.Html(html.figure(text, charts.sending, review))


@app.cell
def latency(review, text):
    mo.Html(html.figure(text, charts.latency, review))


@app.cell
def carriers(review, text):
    _both = (charts.carriers, charts.provinces)
    mo.Html("".join(html.figure(text, _chart, review) for _chart in _both if review.carriers.height))


@app.cell
def owner(review, text):
    mo.Html(
        "".join(html.figure(text, charts.owner, *_column) for _column in review.owner.items())
        or text("no_owner_columns")
    )


@app.cell
def replies(review, text):
    mo.Html(html.figure(text, charts.replies, review))


if __name__ == "__main__":
    app.run()
