"""Pages in a terminal: at most 80 columns, no blanks at the ends of lines, no colour in a pipe, and nobody's phone."""

import pytest

from tests.support.places import CONTENT, Closed, Place, close_books

READ = (
    "status", "status autumn-sale", "report autumn-sale",
    "doctor", "pull --days 1", "load", "reconcile", "publish", "audit", "daily", "balance",
    "sql", "sql 'FROM messages'", "sql 'FROM replies'", "sql 'FROM exceptions'", "sql 'FROM campaign_delivery'",
)  # fmt: skip


@pytest.mark.parametrize("command", READ)
def test_a_page_is_readable_in_a_pipe_and_shows_nobodys_phone(command: str, closed: Closed) -> None:
    if command == "audit":
        close_books(closed)

    ended = closed.run(command, COLUMNS="40")

    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines
    assert all(len(line) <= 80 and line == line.rstrip() and line.isprintable() for line in lines)
    assert not [phone for phone in closed.phones if phone in ended.out]


def test_the_demo_tells_its_story_and_where_to_look_next(closed: Closed) -> None:
    assert closed.demo.err == ""
    for words in (
        "100 in doubt",
        "The books",
        "balanced",
        "1 batch of 100 messages had no answer; reports prove it sent",
        "delivered / accepted",
        "Why messages failed",
        "who can act",
        "Refused by the gateway",
        "Exceptions",
        "Where to look next",
    ):
        assert words in closed.demo.out
    for line in closed.demo.out.splitlines():
        if line.startswith("  smsrecon "):
            assert closed.place.run(line.removeprefix("  smsrecon ")).code == 0
    assert (closed.place.folder / "demo/data/published/analytics.duckdb").is_file()


@pytest.mark.parametrize("recipients", [1000, pytest.param(3000, marks=pytest.mark.deep)])
def test_a_demo_of_any_size_ends_as_its_text_says_in_any_folder(place: Place, recipients: int) -> None:
    demo = place.run(f"demo --recipients {recipients} --dir 'a demo'")

    assert (demo.code, demo.err) == (0, "")
    assert f"{recipients // 20} in doubt: no answer" in demo.out
    assert "2 refused" in demo.out
    assert "reports prove it sent" in demo.out
    steps = [line.removeprefix("  smsrecon ") for line in demo.out.splitlines() if line.startswith("  smsrecon ")]
    audit = place.run("--config 'a demo/smsrecon.toml' audit")
    assert (audit.code, audit.err) == (0, "")
    assert [place.run(step).code for step in steps] == [0, 0]
    books = place.run("--config 'a demo/smsrecon.toml' status autumn-sale --json").object
    assert books["batches"]["in_doubt"] == 0


def test_the_reasons_of_a_status_stand_below_it(closed: Closed) -> None:
    lines = closed.run("status autumn-sale").out.splitlines()

    invalid = next(number for number, line in enumerate(lines) if line.startswith("invalid "))
    assert [line.split()[0] for line in lines[invalid + 1 : invalid + 3]] == ["phone", "phone"]
    assert not [line for line in lines if line.startswith(("planned", "in doubt", "accepted"))]  # there isn't one


def test_without_campaigns_the_next_step_is_shown_and_no_folder_made(place: Place) -> None:
    ended = place.run("status")

    assert (ended.code, ended.out, ended.err) == (0, "no campaign yet; send one: smsrecon submit --help\n", "")
    assert not (place.folder / "data").exists()
    assert place.run("status --json").object == {"campaigns": [], "problems": [], "purged": []}


def test_a_campaign_that_is_not_sent_yet_has_a_page_too(place: Place, no_waits: None) -> None:
    place.run(f"submit people.parquet --campaign c --content {CONTENT}").fails(12)

    status = place.run("status c")
    assert (status.code, status.err) == (0, "")
    assert "still to be sent" in status.out
    assert "2 to send" in place.run("status").out


def test_a_report_is_the_page_of_what_is_published(closed: Closed) -> None:
    status, report = closed.run("status autumn-sale").out, closed.run("report autumn-sale").out

    assert report.splitlines()[1:] == status.splitlines()[1:]  # the first is the instant
    closed.run("report nope").fails(2, "nope", "smsrecon status")


def test_the_size_of_an_html_report_is_shown(closed: Closed) -> None:
    told = closed.run("report autumn-sale --html demo/report.html --json").object

    size = (closed.place.folder / "demo" / "report.html").stat().st_size
    assert told == {"campaign_id": "autumn-sale", "html": "demo/report.html", "bytes": size}
    closed.run("report autumn-sale --html nowhere/report.html").fails(2, "nowhere", "another file")


def test_a_campaign_that_is_not_sent_yet_has_a_report_too(place: Place, no_waits: None) -> None:
    place.run(f"submit people.parquet --campaign c --content {CONTENT}").fails(12)
    place.run("status c")
    assert place.run("publish").code == 0

    assert "still to be sent" in place.run("report c").out
    assert place.run("report c --html c.html", SMSRECON_REVIEW__LANGUAGE="zh").code == 0
    assert "没有提交成功的短信" in (place.folder / "c.html").read_text(encoding="utf-8")


def test_a_dry_run_shows_what_would_be_sent(sending: Place) -> None:
    ended = sending.run(
        f"submit people.parquet --campaign c --content {CONTENT} --dry-run", SMSRECON_BILLING__PRICE_PER_SEGMENT="0.5"
    )

    assert (ended.code, ended.err) == (0, "")
    for words in ("nothing was sent", "phone malformed", "2 in 1 batches", "at a cost of 1.00", CONTENT):
        assert words in ended.out


def test_a_pull_shows_what_each_day_brought(closed: Closed) -> None:
    lines = closed.run("pull --days 2").out.splitlines()

    assert [line.split()[0] for line in lines] == ["pulled", "reports", "reports", "replies", "balance"]
    assert all("complete" in line for line in lines[1:4])


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("SELECT 1 AS a, 'x' AS b", ["a  b", "1  x"]),
        ("SELECT 1 WHERE false", ["no rows"]),
        ("SELECT chr(27) || '[31m' AS a", ["a", "\ufffd[31m"]),
        ("SELECT '[bold]:smile:' AS a", ["a", "[bold]:smile:"]),
        ("SELECT NULL AS a, TRUE AS b, 0.1 + 0.2 AS c", ["a  b      c", "   yes  0.3"]),
    ],
)
def test_an_answer_is_shown_as_it_is(query: str, shown: list[str], closed: Closed) -> None:
    assert closed.run(f'sql "{query}"').out.splitlines() == shown


def test_a_long_answer_says_how_much_is_left_out(closed: Closed) -> None:
    lines = closed.run("sql 'FROM range(1234)'").out.splitlines()

    assert lines[100:] == ["   99", "", "1,134 more: all of them with --json"]


def test_an_answer_too_wide_for_a_table_is_shown_line_by_line(closed: Closed) -> None:
    lines = closed.run("sql 'FROM campaign_delivery'").out.splitlines()

    assert lines[0].split() == ["campaign_id", "autumn-sale"]
    assert lines[1].split() == ["row_count", "2000"]
