"""The gateway over the last days: codes, answers, errors, and which days were pulled.

    marimo run notebooks/gateway_health.py -- --data-dir demo/data [--days 30] [--language zh]

It only reads what is published. In the browser, ?days=30&language=zh chooses too. Queries are in sql/figures, charts in
pipelines/review.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="smsrecon: gateway health")


with app.setup:
    from pathlib import Path

    import marimo as mo

    from pipelines.review import figures, html
    from pipelines.review import gateway_charts as charts
    from pipelines.review.translations import LANGUAGES, Words
    from pipelines.settings import load_settings


@app.cell
def choice():
    settings = load_settings()
    data_dir = Path(mo.cli_args().get("data-dir") or settings.data_dir)
    _asked = {**mo.cli_args().to_dict(), **mo.query_params().to_dict()}
    first = Words(_asked["language"] if _asked.get("language") in LANGUAGES else settings.review.language)
    _wanted = str(_asked.get("days", ""))
    days = mo.ui.slider(
        1,
        90,
        value=min(90, max(1, int(_wanted))) if _wanted.isdecimal() else 30,
        label=first("choose_days"),
        show_value=True,
    )
    language = mo.ui.dropdown(LANGUAGES, value=first.language, label=first("choose_language"))
    mo.hstack([days, language], justify="start", gap=2, wrap=True).style(padding_right="3rem")  # marimo's button
    return data_dir, days, language


@app.cell
def reading(data_dir, days, language):
    of = figures.gateway_figures(data_dir, day_count=days.value)
    words = Words(language.value)
    _title = f"# {words('gateway_health')}\n\n{words('as_of', at=words.instant(of.as_of))}"
    mo.vstack([mo.md(_title), mo.Html(f"<style>{html.STYLE}</style>")])
    return of, words


@app.cell
def code_days(of, words):
    mo.Html(html.picture(words, charts.code_days, of))


@app.cell
def unknown_codes(of, words):
    mo.Html(html.picture(words, charts.unknown_codes, of))


@app.cell
def answer_times(of, words):
    mo.Html(html.picture(words, charts.answer_times, of))


@app.cell
def error_codes(of, words):
    mo.Html(html.picture(words, charts.error_codes, of))


@app.cell
def pull_days(of, words):
    mo.Html(html.picture(words, charts.pull_days, of))


@app.cell
def balance(of, words):
    mo.Html(html.picture(words, charts.balance, of)) if of.balances.height else None


if __name__ == "__main__":
    app.run()
