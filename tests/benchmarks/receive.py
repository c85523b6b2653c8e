"""Pushes of one record, each on disk before it is answered, against the same server that answers at once."""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from tests.support.endpoint import COMMAND, PATH_SECRET, landed, receiving, report

_CONNECTIONS = 64
_FLOOR = """
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def push(request):
    await request.body()
    return PlainTextResponse("success")

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)

app = Starlette(routes=[Route("/push/{secret}", push, methods=["POST"])])
Server(uvicorn.Config(app, port=0, loop="asyncio", ws="none", log_config=None, access_log=False)).run()
"""


def prepare(folder: Path, rows: int) -> None:
    """Nothing: pushes are made as they are sent."""


def real(_: Path, rows: int) -> float:
    """The endpoint as it is run, and a look at what it has on disk."""
    with tempfile.TemporaryDirectory() as folder, receiving(Path(folder), command=COMMAND) as endpoint:
        seconds = asyncio.run(_push(int(endpoint.base_url.rpartition(":")[2]), rows))
        endpoint.kill()
        if len(landed(Path(folder))) != rows:
            raise SystemExit("not every push is on disk")
    return seconds


def floor(_: Path, rows: int) -> float:
    """HTTP alone: the body is read, and nothing is done with it."""
    with subprocess.Popen([sys.executable, "-c", _FLOOR], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seconds = asyncio.run(_push(int(process.stdout.readline()), rows))
        process.terminate()
    return seconds


async def _push(port: int, rows: int) -> float:
    """Send all, over many connections, each its next push as soon as the one before is answered."""
    numbers = iter(range(rows))
    took: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            body = report(number)
            head = f"POST /push/{PATH_SECRET} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
            begun = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer.lower())
            if not answer.startswith(b"HTTP/1.1 200") or length is None:
                raise SystemExit("a push was refused")
            await reader.readexactly(int(length[1]))
            took.append(time.perf_counter() - begun)
        writer.close()

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(_CONNECTIONS):
            group.create_task(connection())
    seconds = time.perf_counter() - begun
    sys.stderr.write(f"{rows / seconds:,.0f} pushes a second, p99 {quantiles(took, n=100)[-1] * 1000:.0f} ms\n")
    return seconds
