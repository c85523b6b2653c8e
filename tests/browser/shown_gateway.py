"""Asserts that a page shows the health of the gateway as the published tables hold it."""

import re
from datetime import date

from pipelines.review.translations import Texts
from tests.browser.marts import Marts, Row
from tests.browser.reading import Chart, Line, Picture, Shape, joined, number
from tests.browser.shown import assert_bars, assert_same


def assert_gateway_is_shown(pictures: list[Picture], marts: Marts, days: int, text: Texts) -> None:
    """The six charts of the gateway's health over the last days."""
    code_days, unknown, answers, errors, pulls, balance = pictures
    _code_days(code_days, marts.code_days(days), text)
    _unknown(unknown, marts.code_days(days), text)
    _answers(answers, marts.answers(days), text)
    _errors(errors, marts.batches(days), text)
    _pulls(pulls, marts.pulls(days), text)
    _balances(balance, marts.balances(), text)


def _code_days(picture: Picture, code_days: list[Row], text: Texts) -> None:
    days = {row["submitted_on"]: row["reported"] for row in code_days}
    codes = _by_code(code_days)
    first, *_ = codes
    assert picture.title == joined(
        text(
            "code_days_title",
            failed=f"{sum(codes.values()) / sum(days.values()):.1%}",
            number=str(len(days)),
            meaning=text.of(next(row for row in code_days if row["code"] == first), "meaning"),
        )
    )
    some = [*codes][:15]
    assert [label.text for label in picture.chart.axes["y"].labels] == some
    assert _squares(picture.chart) == {
        (_day(row["submitted_on"]), row["code"]): f"{row['share']:.1%}" for row in code_days if row["code"] in some
    }


def _unknown(picture: Picture, code_days: list[Row], text: Texts) -> None:
    codes = _by_code(code_days)
    unknown = {row["code"]: codes[row["code"]] for row in code_days if not row["is_known"]}
    failed = sum(codes.values())
    assert picture.title == joined(
        text("unknown_codes_title", number=str(len(unknown)), share=f"{sum(unknown.values()) / failed:.1%}")
    )
    assert_bars(picture, [(code, count) for code, count in codes.items() if code in unknown], failed)


def _answers(picture: Picture, answers: list[Row], text: Texts) -> None:
    slowest = max(row["most"] for row in answers)
    told = f"{slowest:,.0f} ms" if slowest < 2000 else text.duration(slowest / 1000)
    assert picture.title == joined(text("answers_title", p95=told))

    scale = picture.chart.axes["y"].scale(number)
    days = picture.chart.axes["x"].labels
    for name, column in (("half_of_answers", "half"), ("most_answers", "most")):
        points = [point for point in picture.chart.points if point.colour == picture.chart.legend[text(name)]]
        points.sort(key=_left)
        assert [_nearest(days, point.x, "x") for point in points] == [_day(row["submitted_on"]) for row in answers]
        assert_same([scale(point.y) for point in points], [row[column] for row in answers], scale)


def _errors(picture: Picture, batches: list[Row], text: Texts) -> None:
    wrong = [row for row in batches if row["error_code"] != "000000"]
    assert {row["error_code"] for row in wrong} == {"none"}
    assert picture.title == joined(
        text(
            "errors_title",
            number=f"{sum(row['n'] for row in wrong):,}",
            whole=f"{sum(row['n'] for row in batches):,}",
            meaning={"en": "no answer", "zh": "没有应答"}[text.language],
        )
    )
    assert _squares(picture.chart) == {(_day(row["submitted_on"]), row["error_code"]): str(row["n"]) for row in wrong}


def _pulls(picture: Picture, pulls: list[Row], text: Texts) -> None:
    assert not [row for row in pulls if row["is_missing"]]
    assert picture.title == joined(text("pulls_title"))

    days, scale = picture.chart.axes["x"].labels, picture.chart.axes["y"].scale(number)
    states = {colour: name for name, colour in picture.chart.legend.items()}
    bars, squares = (sorted(shapes, key=_left) for shapes in (picture.chart.bars, picture.chart.points))
    assert_same([scale(bar.top) - scale(bar.bottom) for bar in bars], [row["new_record_count"] for row in pulls], scale)
    assert [_nearest(days, bar.x, "x") for bar in bars] == [_day(row["pulled_on"]) for row in pulls]
    assert [(_nearest(days, square.x, "x"), states[square.colour]) for square in squares] == [
        (_day(row["pulled_on"]), text("pull_complete" if row["is_complete"] else "pull_so_far")) for row in pulls
    ]


def _balances(picture: Picture, balances: list[Row], text: Texts) -> None:
    assert all(row["is_explained"] for row in balances)
    assert picture.title == joined(text("balance_title", balance=f"{balances[-1]['closing_balance_count']:,}"))

    scale = picture.chart.axes["y"].scale(number)
    points = sorted(picture.chart.points, key=_left)
    assert_same([scale(point.y) for point in points], [row["closing_balance_count"] for row in balances], scale)


def _by_code(code_days: list[Row]) -> dict[str, int]:
    """How many messages failed with each code, the most frequent first."""
    codes: dict[str, int] = {}
    for row in code_days:
        codes[row["code"]] = codes.get(row["code"], 0) + row["n"]
    return dict(sorted(codes.items(), key=lambda code: (-code[1], code[0])))


def _squares(chart: Chart) -> dict[tuple[str, str], str]:
    """Values in the squares by their labels; a larger value is darker."""
    days, names = chart.axes["x"].labels, chart.axes["y"].labels
    texts = {(_nearest(days, text.x, "x"), _nearest(names, text.y, "y")): text.text for text in chart.marks}
    shades = {(_nearest(days, bar.x, "x"), _nearest(names, bar.y, "y")): _brightness(bar) for bar in chart.bars}
    assert texts.keys() == shades.keys()
    numbers = [number(texts[square]) for square in sorted(texts, key=lambda each: (-shades[each], number(texts[each])))]
    assert numbers == sorted(numbers)
    return texts


def _left(shape: Shape) -> float:
    return shape.left


def _brightness(shape: Shape) -> int:
    return sum(map(int, re.findall(r"\d+", shape.colour)))


def _nearest(labels: list[Line], place: float, along: str) -> str:
    return min(labels, key=lambda label: abs(getattr(label, along) - place)).text


def _day(day: date) -> str:
    return f"{day:%m-%d}"
