"""The gateway over the last days: codes, answers, errors, and which days were pulled.

    marimo run --token notebooks/gateway_health.py -- --data-dir demo/data [--days 30] [--language zh]

It only reads the published tables. In the browser, ?days=30&language=zh chooses days and language. Queries are in
sql/figures, charts in pipelines/review.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="smsrecon: gateway health")


with app.setup:
    from pathlib import Path

    import marimo as mo

    from pipelines.review import figures, html
    from pipelines.review import gateway_charts as charts
    from pipelines.review.translations import LANGUAGES, Texts
    from pipelines.settings import load_settings


@app.cell
def choice():
    settings = load_settings()
    settings = settings.model_copy(update={"data_dir": Path(mo.cli_args().get("data-dir") or settings.data_dir)})
    _asked = {**mo.cli_args().to_dict(), **mo.query_params().to_dict()}
    initial_text = Texts(_asked["language"] if _asked.get("language") in LANGUAGES else settings.review.language)
    _wanted = str(_asked.get("days", ""))
    days = mo.ui.slider(
        1,
        90,
        value=min(90, max(1, int(_wanted))) if _wanted.isdecimal() else 30,
        label=initial_text("choose_days"),
        show_value=True,
    )
    language = mo.ui.dropdown(LANGUAGES, value=initial_text.language, label=initial_text("choose_language"))
    mo.hstack([days, language], justify="start", gap=2, wrap=True).style(padding_right="3rem")  # marimo's button
    return days, language, settings


@app.cell
def reading(days, language, settings):
    health = figures.gateway_figures(settings.published_folder, day_count=days.value)
    text = Texts(language.value)
    _title = f"# {text('gateway_health')}\n\n{text('as_of', at=text.instant(health.as_of))}"
    mo.vstack([mo.md(_title), mo.Html(f"<style>{html.STYLE}</style>")])
    return health, text


@app.cell
def code_days(health, text):
    mo.Html(html.figure(text, charts.code_days, health))


@app.cell
def unknown_codes(health, text):
    mo.Html(html.figure(text, charts.unknown_codes, health))


@app.cell
def answer_times(health, text):
    mo.Html(html.figure(text, charts.answer_times, health))


@app.cell
def error_codes(health, text):
    mo.Html(html.figure(text, charts.error_codes, health))


@app.cell
def pull_days(health, text):
    mo.Html(html.figure(text, charts.pull_days, health))


@app.cell
def balance(health, text):
    mo.Html(html.figure(text, charts.balance, health)) if health.balances.height else None


if __name__ == "__main__":
    app.run()
