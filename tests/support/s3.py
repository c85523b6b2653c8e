"""An S3 server of the tests: its own process on 127.0.0.1, with one bucket for each installation; all is in memory."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from unittest import mock

import httpx

# It chooses a free port and prints it, so that no other process can take it in between.
_SERVER = """
from werkzeug.serving import make_server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print("port", server.server_port, flush=True)
server.serve_forever()
"""


@dataclass
class S3:
    """A running server without buckets."""

    address: str
    numbers: Iterator[int] = field(default_factory=count, repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The variables with which clients reach it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "canary-key",
            "AWS_SECRET_ACCESS_KEY": "canary-secret-of-the-bucket",
            "AWS_REGION": "us-east-1",
        }

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Set the variables in the block."""
        with mock.patch.dict(os.environ, self.variables):
            yield

    def new_bucket(self, *, keeps_versions: bool = False) -> str:
        """The address of an empty prefix of a new bucket."""
        name = f"bucket-{next(self.numbers)}"
        httpx.put(f"{self.address}/{name}").raise_for_status()
        if keeps_versions:
            enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            httpx.put(f"{self.address}/{name}?versioning", content=enabled).raise_for_status()
        return f"s3://{name}/north"


@contextmanager
def running_s3() -> Iterator[S3]:
    """A new server, which ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout
            found = re.fullmatch(r"port (\d+)\n", server.stdout.readline())
            assert found, "the S3 server did not start"
            yield S3(f"http://127.0.0.1:{found[1]}")
        finally:
            server.kill()
