"""Setup of all tests: the lane, hypothesis' profile, garbage collection, new warehouses, and Ctrl-C."""

import gc
import os
import signal
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

pytest.register_assert_rewrite("tests.support")

from tests.support import depth, scheduling  # noqa: E402  an import before the line above would not be rewritten

if TYPE_CHECKING:
    from tests.support.history import Place
    from tests.support.postgres import Postgres
    from tests.support.s3 import S3

# Where tests are run in the background, Ctrl-C is ignored, and all they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deep", action="store_true", help="try as many cases as the deep lane does")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--deep"):
        os.environ[depth.VARIABLE] = "1"
    else:
        for variable in ("SMSRECON_WAREHOUSE__THREADS", "POLARS_MAX_THREADS"):
            os.environ[variable] = "1"  # few rows, and more processes than cores
    depth.choose_hypothesis_profile()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave the modules and tests that are collected, which stay until the end, out of each garbage collection.

    The tests import more, so that collections as frequent as by default would take a twentieth of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def new_warehouses() -> Generator[None]:
    from tests.support.warehouses import made_as_copies  # noqa: PLC0415  the process that hands out tests needs no DuckDB

    with made_as_copies():
        yield


@pytest.fixture(scope="session")
def postgres() -> Generator["Postgres"]:
    """A PostgreSQL server of this process's tests."""
    from tests.support.postgres import running_postgres  # noqa: PLC0415  as above

    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Generator["S3"]:
    """An S3 server of this process's tests."""
    from tests.support.s3 import running_s3  # noqa: PLC0415  as above

    with running_s3() as server:
        yield server


@pytest.fixture(params=["file", pytest.param("database", marks=pytest.mark.deep)])
def journal_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the journal of a test's installation be a file and, in the deep lane, lie in a database too."""
    if request.param == "database":
        monkeypatch.setenv("SMSRECON_SHARED__DATABASE", request.getfixturevalue("postgres").new_url())
    return str(request.param)


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> "Place":
    """Five campaigns, published once for the kinds of tests that only look at them."""
    from tests.support.history import sent_history  # noqa: PLC0415  as above

    return sent_history(tmp_path_factory.mktemp("history"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the deep lane's own tests unless it runs, order the others, and note how many cases each has."""
    only_deep = [item for item in items if item.get_closest_marker("deep") and not depth.is_deep()]
    if only_deep:
        config.hook.pytest_deselected(items=only_deep)
        items[:] = [item for item in items if item not in only_deep]
    items.sort(key=lambda item: scheduling.rank(item.nodeid))
    for item in items:
        item.user_properties.append(("cases", depth.case_count(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.ByFile:
    config.option.loadscopereorder = False  # `rank` has ordered them
    return scheduling.ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End the deep lane with what it ran."""
    if depth.is_deep():
        reports = [
            report
            for outcome in ("passed", "failed", "skipped", "")  # the empty one holds set-ups and tear-downs
            for report in terminalreporter.getreports(outcome)
            if isinstance(report, pytest.TestReport)
        ]
        terminalreporter.section("cases of the deep lane")
        terminalreporter.write_line("\n".join(depth.table_of(reports)))


def pytest_unconfigure() -> None:
    gc.unfreeze()  # a library counts as leaked what is not collected before the interpreter ends
