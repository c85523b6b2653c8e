"""Sending batches of 1000 with the journal in PostgreSQL, against the same with a file; both sync every event."""

import os
import shutil
from pathlib import Path
from unittest import mock

from tests.benchmarks import submit
from tests.support.postgres import running_postgres

prepare = submit.prepare
floor = submit.real


def before_floor(folder: Path, _: int) -> None:
    """Remove the landing: its plans are in the other side's journal."""
    shutil.rmtree(folder / "landing", ignore_errors=True)


before_real = before_floor


def real(folder: Path, rows: int) -> float:
    """The whole submission, as `submit` measures it."""
    with running_postgres(is_durable=True) as server:
        variables = {"SMSRECON_SHARED__DATABASE": server.new_url(), "SMSRECON_INSTALLATION": str(server.port)}
        with mock.patch.dict(os.environ, variables):
            return submit.real(folder, rows)
