"""An S3 server of the tests: its own process on 127.0.0.1, with one bucket for each installation."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

from tests.support.ports import free_port


@dataclass
class S3:
    """A server that keeps its objects in memory."""

    port: int
    process: subprocess.Popen[bytes] = field(repr=False)
    numbers: Iterator[int] = field(default_factory=count, repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The variables with which clients reach it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "canary-key",
            "AWS_SECRET_ACCESS_KEY": "canary-secret-of-the-bucket",
            "AWS_REGION": "us-east-1",
        }

    def new_bucket(self, *, keeps_versions: bool = False) -> str:
        """The address of an empty prefix of a new bucket."""
        url = f"http://127.0.0.1:{self.port}/bucket-{next(self.numbers)}"
        httpx.put(url).raise_for_status()
        if keeps_versions:
            enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            httpx.put(f"{url}?versioning", content=enabled).raise_for_status()
        return f"s3://{url.rpartition('/')[2]}/north"


@contextmanager
def running_s3() -> Iterator[S3]:
    """A new server, which ends with the block."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/")
            except httpx.TransportError:
                assert time.monotonic() < until
                time.sleep(0.05)
            else:
                break
        yield S3(port, process)
    finally:
        process.kill()
        process.wait()
