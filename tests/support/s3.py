"""A bucket on this machine: a process that speaks S3 and keeps all in memory."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

# It chooses a free port and prints it, so that no other process can take it in between.
_SERVER = """
from werkzeug.serving import make_server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print("port", server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def running_s3() -> Iterator[str]:
    """Run a store without buckets, set the AWS variables to it, and yield its address."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout
            found = re.fullmatch(r"port (\d+)\n", server.stdout.readline())
            assert found, "the S3 server did not start"
            address = f"http://127.0.0.1:{found[1]}"
            variables = {
                "AWS_ENDPOINT_URL": address,
                "AWS_ALLOW_HTTP": "true",
                "AWS_ACCESS_KEY_ID": "tests",
                "AWS_SECRET_ACCESS_KEY": "tests",
                "AWS_REGION": "us-east-1",
            }
            with mock.patch.dict(os.environ, variables):
                yield address
        finally:
            server.kill()
