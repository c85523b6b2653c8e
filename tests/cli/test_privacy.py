"""No command shows or logs personal data or a secret, whether it succeeds, fails, or is called wrongly.

Every place that can hold a phone, a text or a secret holds a canary. The output, logs and errors of a command, with all
libraries at their most verbose level, are searched for the canaries in every encoding.
"""

import json
import logging
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import duckdb
import polars as pl
import pytest
from cyclopts import App

from pipelines.cli import invocation, main
from pipelines.sandbox import RunningSandbox, SandboxSettings
from pipelines.sandbox.settings import Fault, Shares
from tests.support.depth import cases, is_deep
from tests.support.places import Ended, Place
from tests.support.relay import Relay, Reply, Request, relaying
from tests.support.sandboxes import ForkedSandbox

WHO, OTHER, THIRD = PHONES = ("13917539514", "15982604937", "18665201843")
WORD, SAID = "canary", "七七四九"
TEXT = f"【公司】{WORD}您的验证码是{SAID}"
KEY, SECRET = f"{WORD}-key-31", f"{WORD}-secret-77aa"
WORDS_IN_CHINESE = (SAID.encode(), SAID.encode("gbk"), SAID.encode("unicode_escape"), quote(SAID).encode())
NEEDLES = (WORD.encode(), *WORDS_IN_CHINESE, *(phone[3:].encode() for phone in PHONES))  # the end of a phone is enough

SPELLED = (
    f"{OTHER[:3]}-{OTHER[3:7]}-{OTHER[7:]}",
    f"{OTHER[:7]} {OTHER[7:]}",
    f"{OTHER[:3]}.{OTHER[3:7]}.{OTHER[7:]}",
    f"({OTHER[:3]}){OTHER[3:]}",
    f"{OTHER[:3]}\u200b{OTHER[3:]}",
    OTHER.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
    OTHER.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    f"1.{OTHER[1:]}E10",
)
IN_THOUSANDS = f"{OTHER[:2]},{OTHER[2:5]},{OTHER[5:8]},{OTHER[8:]}"
TO_ASCII = str.maketrans("０１２３４５６７８９٠١٢٣٤٥٦٧٨٩", "0123456789" * 2)

SUBMIT = f"submit new.parquet --campaign n --content {shlex.quote(TEXT)}"


def held(seen: bytes) -> list[bytes]:
    """The canaries that these bytes contain, phones however they are spaced."""
    lower = seen.lower()
    squeezed = re.sub(rb"[ \t().,-]|\xe2\x80\x8b", b"", lower).decode(errors="replace")
    digits = squeezed.translate(TO_ASCII).encode()
    return [needle for needle in NEEDLES if needle.lower() in lower or (needle.isdigit() and needle in digits)]


# ── A data folder with a canary in every place ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Desk:
    """A folder where two campaigns were sent and the books were closed, and the relay to its gateway."""

    place: Place
    relay: Relay
    gateway: RunningSandbox

    @property
    def landing(self) -> Path:
        return self.place.folder / "data/landing"


def parquet(**columns: list[Any]) -> bytes:
    file = BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


FILES = {
    "people.parquet": parquet(
        phone=[*PHONES, f"+86 {WHO[:3]}-{WHO[3:]}", f"{WHO},{OTHER}", f"-{WHO}", "19999990007", None],
        content=[f"{TEXT}{number}" for number in range(8)],
        mission_num=[*(f"u{phone}" for phone in PHONES), "u4", "u5", "u6", "u7", "u8"],
        called=[int(OTHER), int(f"86{WHO}"), *map(int, PHONES), None, None, None],
        friend=[f"{OTHER}, +86 {THIRD}"] * 8,
        spelled=[*SPELLED],
        lists=[[phone] for phone in SPELLED],
        counted=[IN_THOUSANDS] * 8,
        **{phone: ["x"] * 8 for phone in SPELLED},
    ),
    "others.parquet": parquet(phone=[*PHONES, "13800000001"], content=[TEXT] * 4),
    "new.parquet": parquet(phone=[*PHONES, "13800000002"]),
    "each.parquet": parquet(phone=[*PHONES], content=[f"{TEXT}{number}" for number in range(3)]),
    "nameless.parquet": parquet(**{WHO: [OTHER], TEXT: [TEXT]}),
    "wrong.parquet": parquet(phone=[f"{WHO}x"], content=[WORD]),
    "unlike.parquet": parquet(phone=[WHO], content=[TEXT], mission_num=[f"{WHO}-{WORD}"]),
    "broken.parquet": b"PAR1" + f"{WHO} {TEXT} {SECRET}".encode() * 50 + b"PAR1",
    "cut.parquet": parquet(phone=[*PHONES] * 500)[:-9],
    "export.csv": f"phone,code,stat_time\n{WHO},DELIVRD,2026-11-20 08:00:00\n{WHO},{TEXT},x\n{TEXT},,\n".encode(),
    "said.csv": f"手机号,回复内容,回复时间\n86{WHO},{TEXT},2026-11-20 09:00:00\n{WORD},{TEXT},x\n".encode("gbk"),
    "list.csv": f"phone,since_at\n{WHO},2026-11-20\n{OTHER},2026-11-20\n{WORD},2026-11-20\n".encode(),
    "undated.csv": f"phone,since_at\n{WHO},{TEXT}\n".encode(),
    "headless.csv": f"{WHO},DELIVRD,2026-11-20 08:00:00\n{OTHER},DELIVRD,2026-11-20 08:00:00\n".encode(),
    "unclosed.csv": f'phone,code,stat_time\n"{WHO},{TEXT}\n'.encode() * 9000,
    "unreadable.csv": f"phone,code,stat_time\n{WHO},{WORD},{TEXT}\n{TEXT},,{OTHER}\n".encode(),
    "page.csv": f"<html><body>{WHO} {TEXT}</body></html>".encode(),
    "broken.xlsx": b"PK\x03\x04" + f"{WHO} {TEXT}".encode(),
    "nothing.csv": f"a,b\n{WHO},{TEXT}\n".encode(),
}

RECORD = {
    "missionNum": f"u{WHO}",
    "destId": f"86{OTHER}",
    "receiveRealStatus": "UNDELIV",
    "statTime": "2026-11-20 08:00:00",
    "batchNum": f"b{THIRD}",
    "name": TEXT,
}
RECORDS: list[Any] = [
    RECORD,
    RECORD | {"missionNum": THIRD, "destId": WHO},
    RECORD | {"missionNum": "", "destId": TEXT},
    RECORD | {"statTime": f"{WHO} {WORD}"},
    RECORD | {"receiveRealStatus": f"EC:{WHO}"},
    TEXT,
    [WHO, {WHO: TEXT}],
]
REPLIES: list[Any] = [
    {"srcId": f"+86{WHO}", "content": TEXT, "destId": "10690", "moTime": "2026-11-20 09:00:00", "name": TEXT},
    {"srcId": OTHER, "content": TEXT, "destId": THIRD},
    {"srcId": TEXT, "content": WHO, "destId": WORD},
    {"srcId": OTHER, "content": f"不要退订 {TEXT} {WHO}", "destId": "10690", "moTime": "2026-11-20 09:00:00"},
]


def as_json(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


SAYS = f"{WHO} {TEXT} {KEY} {SECRET}"
HOSTILE = as_json(errorCode="000000", errorMsg=SAYS, records=RECORDS)
HOSTILE_REPLIES = as_json(errorCode="000000", errorMsg=SAYS, records=REPLIES)


def records(request: Request) -> Reply | None:
    """An answer with personal data in every field of every record; for other requests the gateway's own."""
    return {"queryStatusReport": Reply(HOSTILE), "queryMoRecord": Reply(HOSTILE_REPLIES)}.get(request.endpoint)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The folder that is copied for each command."""
    folder = tmp_path_factory.mktemp("desk") / "place"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    shares = Shares(reply=1, phone_mismatch=0.3, duplicate=0.3, conflict=0.3, failed=0.3)
    settings = SandboxSettings(
        truth=folder.parent / "truth.sqlite", seed=5, app_key=KEY, app_secret=SECRET, shares=shares
    )
    with ForkedSandbox(settings) as gateway, relaying(gateway) as relay:
        variables = {
            "SMSRECON_GATEWAY__BASE_URL": relay.base_url,
            "SMSRECON_GATEWAY__APP_KEY": KEY,
            "SMSRECON_GATEWAY__APP_SECRET": SECRET,
            "SMSRECON_GATEWAY__TIMEOUT_SECONDS": "0.5",
            "SMSRECON_ALERTS__MIN_MESSAGE_COUNT": "1",
        }
        place = Place(folder, variables)
        place.run("submit people.parquet --campaign a")
        gateway.control(faults=[Fault("drop", is_accepted=False)])
        place.run("submit others.parquet --campaign b")
        relay.answer = records
        place.run(f"suppress add {THIRD} --reason complained")
        place.run("import-reports export.csv --yes")
        gateway.control(clock_shift_seconds=3600.0)
        day = place.run("daily --json")
        assert min(day.object[name] for name in ("rejected_record_count", "new_report_count", "new_reply_count")), day
        assert place.run("resolve b --json").code == 13
        yield Desk(place, relay, gateway)


@pytest.fixture
def desk(kept: Desk, tmp_path: Path) -> Desk:
    return a_copy(kept, tmp_path / "place")


@pytest.fixture(scope="module")
def refusing(kept: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One copy for all commands that are refused, and so change nothing."""
    return a_copy(kept, tmp_path_factory.mktemp("refusing") / "place")


def a_copy(kept: Desk, folder: Path) -> Desk:
    shutil.copytree(kept.place.folder, folder, symlinks=True)
    kept.relay.answer = lambda _: None
    ours = {"SMSRECON_INSTALLATION": folder.parent.name}  # else its numbers were those of another copy
    return Desk(Place(folder, kept.place.variables | ours), kept.relay, kept.gateway)


# ── Output of a command ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Seen:
    """How a command ended, and everything that it wrote or logged."""

    ended: Ended
    everything: bytes = field(repr=False)


Give = Callable[..., Seen]


@pytest.fixture
def give(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Give:
    """Run a command, and catch its output and the logs of all libraries at their most verbose level."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "stamina", "asyncio", "pipelines"):
        caplog.set_level(logging.DEBUG, logger=name)

    def given(place: Place, command: str, **variables: str) -> Seen:
        caplog.clear()
        ended = place.run(command, **variables)
        beside = capfd.readouterr()  # output of native code, and warnings
        records = "".join(f"{record.__dict__}" for record in caplog.records)  # arguments and extras too
        told = ended.out + ended.err + beside.out + beside.err + caplog.text + records
        return Seen(ended, told.encode())

    return given


# ── Every command, without a fault ────────────────────────────────────────────────────────────────────────────────────

OK, DOUBTFUL, UNBALANCED = {0}, {0, 13}, {0, 11, 13, 14, 16}  # a day with so many exceptions has findings

# Every command of the app, and the exit codes that it may have here.
COMMANDS = {
    "doctor": OK,
    "status": UNBALANCED,
    "status a": UNBALANCED,
    "status b": UNBALANCED,
    "report a": UNBALANCED,
    "report a --html a.html": OK,
    "report b --html b.html": OK,
    "resolve a": OK,
    "resolve b": {13},
    "resolve b --accept all --yes --reason ticket": OK,
    "resolve b --resend all --yes": OK,
    "submit people.parquet --campaign a": OK,
    "submit others.parquet --campaign b": {13},
    SUBMIT: OK,
    "submit each.parquet --campaign n": OK,
    "submit each.parquet --campaign n --template-id 100": OK,
    "journal repair --dry-run": OK,
    "resume a": OK,
    "resume b": {13},
    "pull": OK,
    "load": OK,
    "reconcile": UNBALANCED,
    "publish": OK,
    "daily": UNBALANCED,
    "balance": OK,
    "rebuild": UNBALANCED,
    "audit": UNBALANCED,
    "audit --from-landing": UNBALANCED,
    "import-reports export.csv --yes": OK,
    "import-reports export.csv --dry-run": OK,
    "import-reports said.csv --replies --yes": OK,
    "import-reports said.csv --replies --dry-run": OK,
    f"suppress add {WHO} +86{OTHER}": OK,
    f"suppress remove {THIRD}": OK,
    "suppress import list.csv --accept-unreadable": OK,
    "suppress list": OK,
    f"forget {WHO} --yes": OK,
    "purge --older-than 1 --dry-run": OK,
    "purge --older-than 1 --yes": OK,
    "sql": OK,
    "sql 'FROM messages'": OK,
    "sql 'FROM replies'": OK,
    "sql 'FROM exceptions'": OK,
    "sql 'FROM code_breakdown'": OK,
    "sql 'FROM batches_in_doubt'": OK,
    "sql 'FROM replies_by_campaign'": OK,
    "sql 'FROM suppression_candidates'": OK,
    "sql \"FROM delivery_by('called')\"": OK,
}

# Commands that run longer than a test or show invented people, and where they are tested instead.
ELSEWHERE = {
    "demo": "tests/cli/test_json.py and test_pages.py: the demo has people of its own",
    "init": "no data is there yet, and nothing was typed",
    "receive": "tests/receive/test_endpoint.py",
    "sandbox": "tests/gateway/test_sandbox_process.py",
    "serve": "tests/flows/test_privacy.py, and test_serve.py for its logs",
    "shared import": "tests/shared/test_machines.py",
}
HAS_NO_JSON = {"init", "receive", "serve", "sandbox"}

# Output that a command exists to show is not a leak; the secret and phones are leaks everywhere.
SHOWS_TEXTS = {
    f"{SUBMIT} --dry-run": "the first texts, to be read before they are sent (README: Dry run, then send)",
    "suppress review": "replies, for a person to decide whether they opt out",
}


def names_of(app: App, *before: str) -> Iterator[str]:
    """The names of all commands, with subcommands."""
    for name in app:
        if not name.startswith("-"):
            inner = [*names_of(app[name], *before, name)]
            yield from inner or [" ".join((*before, name))]


def test_every_command_of_the_app_is_tested() -> None:
    given = {" ".join(word for word in shlex.split(command)[:2]) for command in (*COMMANDS, *SHOWS_TEXTS)}
    names = {*names_of(main.app)}

    assert {name for name in names if not any(f"{each} ".startswith(f"{name} ") for each in given)} == {*ELSEWHERE}


# Each command as a page and as JSON; in the fast lane they take turns.
OPTIONS = ("", " --json")
AS_PAGE_AND_JSON = cases(
    fast=[command + OPTIONS[number % 2] for number, command in enumerate(COMMANDS)],
    deep=[command + option for command in COMMANDS for option in OPTIONS],
)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("command", AS_PAGE_AND_JSON)
def test_a_command_shows_no_personal_data_and_no_secret(command: str, desk: Desk, give: Give) -> None:
    desk.relay.answer = records
    if re.search("FROM (messages|replies|delivery_by)", command):
        give(desk.place, "publish")  # views read the files of the folder that they were published in, not of its copy

    seen = give(desk.place, command)

    assert seen.ended.code in COMMANDS[command.removesuffix(" --json")], seen.ended
    assert seen.ended.out
    assert "Traceback" not in seen.ended.err
    assert held(seen.everything) == []
    for page in desk.place.folder.glob("*.html"):
        assert held(page.read_bytes()) == []


@pytest.mark.parametrize("command", SHOWS_TEXTS)
@pytest.mark.parametrize("option", OPTIONS, ids=["page", "json"])
def test_requested_personal_data_is_on_standard_output_alone(command: str, option: str, desk: Desk, give: Give) -> None:
    seen = give(desk.place, command + option)

    assert TEXT in seen.ended.out
    assert held(seen.everything.replace(seen.ended.out.encode(), b"")) == []
    assert not [phone for phone in PHONES if phone[3:] in seen.ended.out]
    assert SECRET not in seen.ended.out


# ── Faults ────────────────────────────────────────────────────────────────────────────────────────────────────────────

AT_THE_GATEWAY = ("pull", "balance", "doctor")

# Faults after which the fast lane closes the books too, which takes longer than all other commands together.
CLOSED_OVER = {"half_a_document", "people_under_unknown_names", "another_secret"}


def books_after(fault: str, *commands: str) -> tuple[str, ...]:
    """These commands, if the lane gives them after this fault."""
    return commands if is_deep() or fault in CLOSED_OVER else ()


# Answers of the gateway to any request.
ANSWERS = {
    "an_error_page": Reply(SAYS.encode(), 502),
    "a_redirect": Reply(SAYS.encode(), 302),
    "no_document": Reply(SAYS.encode()),
    "half_a_document": Reply(HOSTILE[:-20]),
    "a_refusal_of_the_account": Reply(as_json(errorCode="100003", errorMsg=SAYS)),
    "a_refusal_of_some": Reply(as_json(errorCode="100007", errorMsg=SAYS)),
    "an_unknown_refusal": Reply(as_json(errorCode="199999", errorMsg=SAYS)),
    "a_system_error": Reply(as_json(errorCode="999999", errorMsg=SAYS)),
    "a_refusal_in_xml": Reply(f"<r><errorCode>100001</errorCode><errorMsg>{SAYS}</errorMsg></r>".encode()),
    "a_code_that_is_a_phone": Reply(as_json(errorCode=WHO, errorMsg=SAYS)),
    "a_code_that_is_a_text": Reply(as_json(errorCode=TEXT, errorMsg=SAYS)),
    "a_balance_that_is_none": Reply(as_json(errorCode="000000", count=SAYS)),
    "a_balance_that_is_a_phone": Reply(as_json(errorCode="000000", count=SAYS, records={WHO: TEXT})),
    "people_under_unknown_names": Reply(as_json(errorCode="000000", people=RECORDS, records=SAYS)),
}


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_of_the_gateway_is_repeated(name: str, desk: Desk, give: Give) -> None:
    for command in (SUBMIT, "resume n", *AT_THE_GATEWAY, *books_after(name, "daily --json", "status n")):
        is_sending = command in (SUBMIT, "resume n")  # which query the balance first
        desk.relay.answer = lambda request, only_sends=is_sending: (
            None if only_sends and not request.endpoint.startswith("send") else ANSWERS[name]
        )
        seen = give(desk.place, command)
        assert "Traceback" not in seen.ended.err
        assert held(seen.everything) == [], command


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("kind", ["drop", "delay", "truncated"])
def test_a_lost_answer_is_not_repeated(kind: Any, desk: Desk, give: Give) -> None:
    for call, commands in (("send", (SUBMIT,)), ("query", ("pull --days 1", "balance", "doctor"))):
        for command in commands:
            desk.gateway.control(faults=[Fault(kind, call="send" if call == "send" else "query", seconds=2)])
            seen = give(desk.place, command)
            assert seen.ended.code, command
            assert held(seen.everything) == [], command
    assert desk.gateway.control()["queued_faults"] == {"send": 0, "query": 0}


# Variables of the gateway with typical typing mistakes.
SETTINGS = {
    "closed_port": {"BASE_URL": "http://127.0.0.1:1/"},
    "it_speaks_no_tls": {"BASE_URL": "https://{netloc}/"},
    "an_address_with_credentials": {"BASE_URL": f"http://{KEY}:{SECRET}@{{netloc}}/"},
    "an_address_with_a_query": {"BASE_URL": f"http://{{netloc}}/?appSecret={SECRET}"},
    "an_address_that_is_none": {"BASE_URL": f"{SECRET} {WHO}"},
    "another_secret": {"APP_SECRET": f"{SECRET}-old"},
    "another_key": {"APP_KEY": f"{KEY}-old"},
    "a_secret_as_a_number": {"TIMEOUT_SECONDS": SECRET, "CONCURRENCY": WHO, "FORMAT": KEY},
}


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_setting_is_not_repeated(name: str, desk: Desk, give: Give) -> None:
    netloc = desk.relay.base_url.split("/")[2]
    wrong = {f"SMSRECON_GATEWAY__{key}": value.format(netloc=netloc) for key, value in SETTINGS[name].items()}
    for command in (SUBMIT, *AT_THE_GATEWAY, *books_after(name, "daily --json")):
        seen = give(desk.place, command, **wrong)
        assert seen.ended.code, command
        assert "Traceback" not in seen.ended.err
        assert held(seen.everything) == [], command


CONFIGURATIONS = (
    f'[gateway]\napp_secret = "{SECRET}\n',
    f"[gateway]\napp_secret = {SECRET}\n",
    f'[gateway]\napp_secret = "{SECRET}"\napp_secret = "{SECRET}"\n',
    f'[gateway]\napp_secret = ["{SECRET}"]\nconcurrency = "{WHO}"\n',
    f'gateway = "{SECRET}"\n',
    f'[gateway.app_secret]\n"x" = "{SECRET}"\n',
    f'[alerts]\nwebhook_url = 5\nwebhook_format = "{SECRET}"\n',
)


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_wrong_configuration_is_not_repeated(text: str, desk: Desk, give: Give) -> None:
    (desk.place.folder / "smsrecon.toml").write_text(text)

    seen = give(Place(desk.place.folder), "status")

    assert seen.ended.code == 2
    assert held(seen.everything) == []


def rewritten(pattern: str, content: bytes) -> Callable[[Desk], None]:
    """A fault that overwrites the files of this pattern."""

    def spoil(desk: Desk) -> None:
        paths = [path for path in desk.place.folder.glob(pattern) if path.is_file()]
        assert paths
        for path in paths:
            path.chmod(0o600)
            path.write_bytes(content)

    return spoil


def of_an_older_day(desk: Desk) -> None:
    """A fault that empties the warehouse and makes the landing unreadable."""
    (desk.place.folder / "data/warehouse.duckdb").unlink()
    rewritten("data/landing/re*/*/*.call", SAYS.encode())(desk)


# Faults of the data folder, and commands that read what is damaged. The deep lane gives all commands after each fault.
SPOILT: dict[str, tuple[Callable[[Desk], None], tuple[str, ...]]] = {
    "calls": (of_an_older_day, ("daily",)),
    "calls_without_meaning": (
        rewritten("data/landing/re*/*/*.call", b'{"kind": "%s"}\n' % WHO.encode()),
        ("rebuild --json",),
    ),
    "imports": (rewritten("data/landing/imports/*/*", SAYS.encode()), (f"forget {OTHER} --yes",)),
    "lists": (
        rewritten("data/landing/suppressions/*", b"PAR1" + SAYS.encode() * 9 + b"PAR1"),
        ("suppress list", f"suppress remove {THIRD}"),
    ),
    "lists_of_something_else": (rewritten("data/landing/suppressions/*", FILES["nameless.parquet"]), (SUBMIT,)),
    "plans": (
        rewritten("data/landing/campaigns/*/plan.parquet", b"PAR1" + SAYS.encode() * 9 + b"PAR1"),
        ("resume b", "purge --older-than 1 --yes"),
    ),
    "plans_of_something_else": (
        rewritten("data/landing/campaigns/*/plan.parquet", FILES["others.parquet"]),
        ("resume b", "resolve b"),
    ),
    "the_journal": (rewritten("data/landing/journal.sqlite", SAYS.encode() * 99), ("status", "resume b")),
    "the_warehouse": (rewritten("data/warehouse.duckdb", SAYS.encode() * 99), ("publish", "doctor", "audit")),
    "the_published": (rewritten("data/.published/*/analytics.duckdb", SAYS.encode() * 99), ("report a",)),
    "the_published_messages": (
        rewritten("data/.published/*/messages/*.parquet", SAYS.encode() * 99),
        ("sql 'FROM messages'", "audit"),
    ),
    "what_was_told": (rewritten("data/sent_alerts.json", SAYS.encode()), ("balance",)),
}
AT_THE_FOLDER = [*dict.fromkeys(command for _, commands in SPOILT.values() for command in commands)]


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("name", SPOILT)
def test_a_damaged_data_folder_is_not_repeated(name: str, desk: Desk, give: Give) -> None:
    (desk.place.folder / "data/sent_alerts.json").touch()
    (desk.place.folder / "data/warehouse.duckdb.wal").unlink(missing_ok=True)
    spoil, commands = SPOILT[name]
    if name.startswith("the_published"):
        assert desk.place.run("publish").code == 0  # what was copied opens the files it was made of
    spoil(desk)
    low = {"SMSRECON_ALERTS__MIN_BALANCE": "1000000000"}
    for command in cases(fast=commands, deep=AT_THE_FOLDER):
        seen = give(desk.place, command, **low)
        assert held(seen.everything) == [], command


# Files with a phone and a text: they can be imported as replies.
HAVE_REPLIES = {"said.csv", "people.parquet", "others.parquet", "each.parquet", "unlike.parquet"}

READING = {
    "suppress import list.csv": 10,
    "submit broken.parquet --campaign n --content x【公司】": 10,
    "submit cut.parquet --campaign n --content x【公司】": 10,
    "submit nameless.parquet --campaign n --content x【公司】": 10,
    "submit wrong.parquet --campaign n": 10,
    "submit unlike.parquet --campaign n": 10,
    "submit export.csv --campaign n --content x【公司】": 10,
    "submit others.parquet --campaign a": 10,
    f"submit others.parquet --campaign n --content {TEXT}": 10,
    f"submit new.parquet --campaign n --content {WORD}": 10,
    f"submit new.parquet --campaign n --content {TEXT * 30}": 10,
    **{f"import-reports {name} --yes": 10 for name in FILES if name not in {"export.csv", "said.csv", "list.csv"}},
    **{f"import-reports {name} --replies --yes": 10 for name in FILES if name not in HAVE_REPLIES},
    "import-reports export.csv --mapping code=phone --yes": 10,
    "suppress import broken.parquet": 10,
    "suppress import headless.csv": 10,
    "suppress import undated.csv": 10,
    "suppress import wrong.parquet": 10,
    "suppress import nameless.parquet": 10,
    "suppress import broken.xlsx": 10,
    "suppress import page.csv": 10,
}


@pytest.mark.parametrize("command", READING)
def test_a_file_that_can_not_be_taken_is_not_repeated(command: str, refusing: Desk, give: Give) -> None:
    seen = give(refusing.place, command)

    assert seen.ended.code == READING[command], seen.ended
    assert held(seen.everything) == []


# ── Arguments ─────────────────────────────────────────────────────────────────────────────────────────────────────────

TYPED = (
    WHO,
    f"--{WHO}",
    f"suppress {WHO}",
    f"suppress add {WHO}x --reason x",
    f"suppress add {WHO} --frob {OTHER}",
    f"suppress add {WHO} --frob={OTHER}",
    f"suppress add {WHO} {WORD}",
    f"suppress remove {WHO} {OTHER}",
    f"suppress list {WHO}",
    f"suppress import {WHO}.csv",
    f"forget {WHO} --bad",
    f"forget {WHO} {OTHER} --yes",
    f"forget {WHO[:3]} {WHO[3:7]} {WHO[3:]} --yes",
    f"forget {WHO}x --yes",
    f"forget {WHO}",
    f"status {WHO}",
    f"status --frob={WHO}",
    f"status a {WHO}",
    f"resume {WHO}",
    f"report {WHO}",
    f"report a --html {WHO}/x.html",
    f"resolve b --accept {WHO},{OTHER}",
    f"resolve {WHO}",
    f"pull --days {WHO}x",
    f"pull --days {WHO[:3]}-{WHO[3:7]}-{WHO[7:]}",
    f"pull --day {WHO}",
    f"pull --day '{WHO[:3]} {WHO[3:7]} {WHO[7:]}'",
    f"purge --older-than {WHO}x",
    f"balance {WHO}",
    f"--config {WHO}.toml status",
    f"submit {WHO}.parquet --campaign n --content {TEXT}",
    f"submit new.parquet --campaign {WHO}_ --content {TEXT}",
    f"submit new.parquet --campaign n --content 【公司】您好 {WORD} {SAID}",
    f"submit new.parquet --campaign n --conten={TEXT}",
    f"status --conten={TEXT}",
    f"submit new.parquet --campaign n --content -{WORD}",
    f"import-reports {WHO}.csv --yes",
    f"import-reports export.csv --mapping phone={WHO} --yes",
    f"import-reports export.csv --mapping {WHO}=phone --yes",
    f"sql \"SELECT '{WHO}'::DATE\"",
    f"sql 'SELECT {WHO} FROM nope'",
    f"sql \"SELEC '{WHO}'\"",
    f"demo --recipients {WHO}x",
    f"demo --dir people.parquet --recipients 1000 {WHO}",
    f"init {WHO}",
    f"serve --port {WHO}x",
    f"sandbox --port {WHO}x",
    f"sandbox --app-secret {SECRET} --frob",
)


@pytest.mark.parametrize("command", TYPED)
def test_a_wrong_argument_is_not_repeated(command: str, refusing: Desk, give: Give) -> None:
    seen = give(refusing.place, command)

    assert seen.ended.code in (2, 10), seen.ended
    assert seen.ended.err.count("\n") == 1, seen.ended
    assert held(seen.everything) == []


# ── Bugs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def unforeseen() -> None:
    """Raise as libraries do: with a value in the message, with a cause, in a group, and with a note."""
    try:
        try:
            duckdb.sql(f"SELECT '{WHO} {TEXT}'::INTEGER").fetchall()
        except duckdb.Error as first:
            pl.Series([f"{OTHER} {TEXT}"]).cast(pl.Int64)
            raise AssertionError from first
    except pl.exceptions.PolarsError as second:
        second.add_note(SAYS)
        raise ExceptionGroup(SAYS, [second, KeyError(THIRD)]) from second


@pytest.mark.parametrize("command", ["doctor", "daily", SUBMIT, "status", f"suppress add {WHO}", f"forget {WHO} --yes"])
def test_a_bug_shows_its_place_and_no_message(command: str, refusing: Desk, give: Give) -> None:
    with mock.patch.object(invocation, "settings", unforeseen):
        seen = give(refusing.place, command)

    assert seen.ended.code == 1
    for words in ("Traceback", "in unforeseen", "ConversionException", "ExceptionGroup", "please report it"):
        assert words in seen.ended.err
    assert held(seen.everything) == []
