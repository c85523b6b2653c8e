"""The notebooks as apps: served to this machine alone, opened and used as a person does."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page

from tests.support.ports import free_port

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LAST_CELL = {"campaign_review": "replies", "gateway_health": "balance"}

POLLING = 200.0  # milliseconds: by default the browser draws a frame for every look
IS_DRAWN = """
last => !document.querySelector(".marimo-output-stale, .marimo-output-loading")
  && document.querySelector(`[data-cell-name=${last}] figure`)
"""
IS_REDRAWN = """
([place, before]) => !document.querySelector(".marimo-output-stale, .marimo-output-loading")
  && document.querySelector(place).innerText !== before
"""


@contextmanager
def served(name: str, data_dir: Path, folder: Path) -> Iterator[str]:
    """The address of a notebook that runs as an app, with its log in `folder`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    marimo = str(Path(sys.executable).with_name("marimo"))
    command = [marimo, "run", str(NOTEBOOKS / f"{name}.py"), "--headless", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--", "--data-dir", str(data_dir)], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(trust_env=False) as client:
            while not _answers(client, address):
                assert process.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        process.kill()
        process.wait()


def _answers(client: httpx.Client, address: str) -> bool:
    try:
        return client.get(f"{address}/health").is_success
    except httpx.TransportError:
        time.sleep(0.1)
        return False


def visit(page: Page, address: str, name: str) -> None:
    """Open the app, and wait until its last cell has come."""
    page.goto(address)
    page.wait_for_function(IS_DRAWN, arg=LAST_CELL[name], polling=POLLING)


@contextmanager
def redrawn(page: Page, place: str) -> Iterator[None]:
    """Do something that changes the first text at `place`, and wait until all is drawn again."""
    before = page.locator(place).first.inner_text()
    yield
    page.wait_for_function(IS_REDRAWN, arg=[place, before], polling=POLLING)
