"""A wrong call of any command prints one line with the next step, has the right exit code, and leaves no files."""

import shutil
import subprocess
import sys

import polars as pl
import pytest

from tests.support.places import CONTENT, Closed, Place

SUBMIT = f"submit people.parquet --campaign c --content {CONTENT}"
DRY = "--campaign c --dry-run"

# The command, the exit code, and words that the error must contain.
CALLS = {
    "an_unknown_command": ("frob", 2, ["frob", "smsrecon --help"]),
    "an_unknown_option": ("status --frob", 2, ["--frob", "smsrecon status --help"]),
    "an_argument_too_many": ("sql a b", 2, ["b", "smsrecon sql --help"]),
    "no_file": ("submit", 2, ["FILE", "smsrecon submit --help"]),
    "no_campaign": (f"submit people.parquet --content {CONTENT}", 2, ["--campaign"]),
    "a_missing_configuration": ("--config nope.toml status", 2, ["nope.toml", "smsrecon init"]),
    "a_missing_file": (f"submit nope.parquet {DRY} --content {CONTENT}", 10, ["nope.parquet", "glob"]),
    "an_empty_file": (f"submit empty.parquet {DRY} --content {CONTENT}", 10, ["empty.parquet", "Parquet"]),
    "another_format": (f"submit people.csv {DRY} --content {CONTENT}", 10, ["people.csv", "Parquet"]),
    "no_rows": (f"submit norows.parquet {DRY} --content {CONTENT}", 10, ["norows.parquet", "no rows"]),
    "no_phones": (f"submit mobile.parquet {DRY} --content {CONTENT}", 10, ["mobile.parquet", "'phone'", "rename"]),
    "a_column_of_lists": (f"submit lists.parquet {DRY} --content {CONTENT}", 10, ["'phone'", "List"]),
    "no_valid_recipient": (f"submit bad.parquet {DRY} --content {CONTENT}", 10, ["phone_malformed"]),
    "no_text": (f"submit people.parquet {DRY}", 10, ["content", "--content"]),
    "no_signature": (f"submit people.parquet {DRY} --content hello", 10, ["signature"]),
    "a_bad_id": (f"submit people.parquet --campaign A.b --content {CONTENT}", 2, ["A.b", "lower-case"]),
    "submit_without_a_gateway": (SUBMIT, 12, ["127.0.0.1:1", "nothing was sent", "gateway.base_url"]),
    "pull_without_a_gateway": ("pull --json", 12, ["127.0.0.1:1", "gateway.base_url"]),
    "doctor_without_a_gateway": ("doctor", 12, ["gateway", "follow the details"]),
    "resume_of_nothing": ("resume nope", 2, ["nope", "smsrecon status"]),
    "status_of_nothing": ("status nope", 2, ["nope", "smsrecon status"]),
    "report_before_publish": ("report c", 2, ["smsrecon publish"]),
    "a_day_that_is_none": ("pull --day 2026-13-01", 2, ["2026-13-01", "--day"]),
    "a_day_to_come": ("pull --day 2999-01-01", 2, ["2999-01-01"]),
    "a_day_and_days": ("pull --day 2026-11-11 --days 2", 2, ["--day", "--days"]),
    "no_days": ("pull --days 0", 2, ["--days"]),
    "publish_before_load": ("publish", 2, ["smsrecon load"]),
    "sql_before_publish": ("sql", 2, ["smsrecon publish"]),
    "a_small_demo": ("demo --recipients 5", 2, ["1000", "--recipients"]),
    "a_demo_over_something_else": ("demo --dir .", 2, ["--dir"]),
    "a_rate_over_one": ("sandbox --fault-rate 2", 2, ["fault_rate", "between 0 and 1"]),
    "a_share_over_one": ("sandbox --shares.failed 3", 2, ["failed", "between 0 and 1"]),
    "a_mode_that_is_none": ("sandbox --report-mode frob", 2, ["snapshot", "drain", "smsrecon sandbox --help"]),
    "a_port_that_is_none": ("sandbox --port 70000", 2, ["65535"]),
    "a_servers_port_that_is_none": ("serve --with-server --port 70000", 2, ["70000", "65535"]),
    "balance_without_a_gateway": ("balance", 12, ["127.0.0.1:1", "gateway.base_url"]),
    "an_export_that_is_missing": ("import-reports nope.csv --yes", 10, ["nope.csv", "give a readable file"]),
    "an_export_that_is_empty": ("import-reports empty.parquet --yes", 10, ["empty.parquet", "export again"]),
    "a_truth_that_is_none": ("sandbox --port 0 --truth people.csv", 2, ["people.csv", "another file"]),
}
SHOWS_SOMETHING = {"pull_without_a_gateway", "doctor_without_a_gateway"}
LANDS_SOMETHING = {"submit_without_a_gateway", "pull_without_a_gateway", "balance_without_a_gateway"}
MAKES_A_KEY = {"publish_before_load"}


@pytest.fixture
def place(place: Place) -> Place:
    """The place, with files that can't be sent."""
    folder = place.folder
    (folder / "empty.parquet").touch()
    (folder / "people.csv").write_text("phone\n13800000001\n", encoding="utf-8")
    for name, phones in {
        "norows": pl.DataFrame({"phone": []}, schema={"phone": pl.String}),
        "mobile": pl.DataFrame({"mobile": ["13800000001"]}),
        "lists": pl.DataFrame({"phone": [["13800000001"]]}),
        "bad": pl.DataFrame({"phone": ["12", "x"]}),
    }.items():
        phones.write_parquet(folder / f"{name}.parquet")
    return place


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_one_line_and_a_code(name: str, place: Place) -> None:
    command, code, words = CALLS[name]
    before = place.files()

    ended = place.run(command)

    ended.fails(code, *words)
    assert bool(ended.out) is (name in SHOWS_SOMETHING)
    left = {file for file in place.files() - before if not file.startswith("data/landing/")}
    assert not left
    if name not in LANDS_SOMETHING | MAKES_A_KEY:
        assert not (place.folder / "data").exists()


CONFIGURATIONS = {
    "broken": (b"data_dir = [\n", ["smsrecon.toml", "TOML"]),
    "not_text": (b"\xff\xfe", ["smsrecon.toml", "UTF-8"]),
    "unknown": (
        b"frob = 1\n[gateway]\nfrob = 2\nconcurrency = 0\n",
        ["gateway.frob", "gateway.concurrency", "no such"],
    ),
    "of_a_wrong_type": (b"data_dir = 5\n", ["data_dir", "path"]),
    "of_a_wrong_address": (b"[gateway]\nbase_url = 'localhost'\n", ["gateway.base_url"]),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_wrong_configuration_is_an_error_before_anything_is_done(name: str, place: Place) -> None:
    written, words = CONFIGURATIONS[name]
    (place.folder / "smsrecon.toml").write_bytes(written)

    ended = Place(place.folder).run("status")

    ended.fails(2, *words)
    assert not ended.out


@pytest.mark.parametrize("command", ["pull", SUBMIT, "resume c", "doctor"])
def test_missing_credentials_are_named_together(command: str, place: Place) -> None:
    ended = Place(place.folder).run(command)

    assert ended.code == 2
    assert "gateway.app_key, gateway.app_secret" in " ".join((ended.out + ended.err).split())


def test_init_writes_once_and_never_over(place: Place) -> None:
    assert place.run("init").code == 0
    before = (place.folder / "smsrecon.toml").read_bytes()

    place.run("init").fails(2, "smsrecon.toml", "already")
    place.run("--config missing/smsrecon.toml init").fails(2, "missing/smsrecon.toml", "another folder")

    assert (place.folder / "smsrecon.toml").read_bytes() == before


EVERYTHING_WITH_DATA = ("load", "reconcile", "publish", "rebuild", "pull", "daily", "status", "doctor", SUBMIT)


@pytest.mark.parametrize("command", EVERYTHING_WITH_DATA)
def test_an_impossible_data_folder_is_an_error(command: str, place: Place) -> None:
    ended = place.run(command, SMSRECON_DATA_DIR="people.csv")

    ended.fails(2)
    assert "people.csv" in ended.out + ended.err


@pytest.mark.parametrize("command", ["pull", "doctor", SUBMIT])
def test_a_wrong_secret_is_the_gateways_no_and_is_not_shown(command: str, sending: Place) -> None:
    ended = sending.run(command, SMSRECON_GATEWAY__APP_SECRET="canary-secret")

    ended.fails(11)
    shown = " ".join((ended.out + ended.err).split())
    assert "100003 (wrong appSecret)" in shown
    assert "canary-secret" not in shown


def test_too_little_balance_is_refused_up_front(sending: Place, closed: Closed) -> None:
    balance = closed.gateway.control()["balance"]
    closed.gateway.control(balance=1)
    ended = sending.run(SUBMIT)
    closed.gateway.control(balance=balance)

    ended.fails(11, "balance", "top up")


def test_an_id_is_never_used_for_another_file(sending: Place) -> None:
    assert sending.run(SUBMIT).code == 0
    shutil.copy(sending.folder / "people.parquet", sending.folder / "others.parquet")
    pl.DataFrame({"phone": ["13700000001"]}).write_parquet(sending.folder / "people.parquet")

    sending.run(SUBMIT).fails(10, "another file or text", "another campaign id")
    assert sending.run(SUBMIT.replace("people", "others")).code == 0


def test_a_lost_answer_is_in_doubt_as_long_as_no_report_settles_it(sending: Place, closed: Closed) -> None:
    closed.gateway.control(faults=[{"kind": "drop", "is_accepted": False}])

    sent = sending.run(SUBMIT + " --json")
    sent.fails(13, "in doubt", "smsrecon daily")
    assert sent.object["submitted_now"] == {"accepted": 0, "refused": 0, "in_doubt": 2, "suppressed": 0}

    sending.run("daily --json", SMSRECON_PULL__DAYS="1").fails(13, "2 messages", "smsrecon resolve c")
    status = sending.run("status c --json")
    assert (status.code, status.object["statuses"]["in_doubt"]) == (0, 2)


QUERIES = {
    "fails": ("SELECT nope FROM messages", ["nope", "smsrecon sql"]),
    "is_no_sql": ("SELEC 1", ["syntax error", "SELEC"]),
    "makes_a_table": ("CREATE TABLE x (i INT)", ["SELECT"]),
    "changes_a_table": ("DELETE FROM exceptions", ["SELECT"]),
    "writes_a_file": ("COPY messages TO 'x.csv'", ["SELECT"]),
    "is_two": ("SELECT 1; SELECT 2", ["SELECT"]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_text_that_is_no_query_is_refused(name: str, closed: Closed) -> None:
    query, words = QUERIES[name]
    before = closed.place.files()

    ended = closed.run(f'sql "{query}"')

    ended.fails(2, *words)
    assert not ended.out
    assert closed.place.files() == before


@pytest.mark.parametrize("command", ["status", "load", "reconcile", "publish", "rebuild", "daily --json"])
def test_a_warehouse_that_is_held_is_busy_and_its_holder_named(command: str, sending: Place) -> None:
    assert sending.run("load").code == 0
    hold = "import duckdb, sys; held = duckdb.connect('data/warehouse.duckdb'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=sending.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        ended = sending.run(command, SMSRECON_WAREHOUSE__BUSY_TIMEOUT_SECONDS="0")
        holder.communicate()

    ended.fails(15, f"process {holder.pid}", "warehouse.busy_timeout_seconds")
    assert not ended.out or ended.object["problems"]  # daily has pulled, and says so
