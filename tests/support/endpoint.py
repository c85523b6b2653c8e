"""A running endpoint for pushes, packets to send to it, and the bodies on disk."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, TextIO

import httpx

from pipelines.landing.landing import Landing
from pipelines.landing.segments.folder import SegmentFolder
from tests.support.commands import ForkedCommand

PATH_SECRET = "0123456789abcdef0123"
APP_KEY = "nqzuhh1wq9lxlpya1q0976gdb50p1eqi"
NO_CERTIFICATES = SSLContext(PROTOCOL_TLS_CLIENT)  # of clients that speak to this machine: to read all takes 30 ms
COMMAND = (sys.executable, "-c", "from pipelines.cli.main import main; main()", "receive")

# The samples of the vendor's page: a report and a reply.
REPORT = b"""<?xml version="1.0" encoding="UTF-8"?>
<xml>
<head>
<app_key>nqzuhh1wq9lxlpya1q0976gdb50p1eqi</app_key>
<time_stamp>20160823143033</time_stamp>
<nonce_str>sdowenfwierhfwdkpkadbi</nonce_str>
<sign>72b16e1d63b9f2f2ee588df4e88d7706</sign>
</head>
<body>
<records>
<record>
<mission_num>100001</mission_num>
<dest_id>15267797477</dest_id>
<send_status>SUCCESS</send_status>
<receive_status>SUCCESS</receive_status>
<receive_real_status>DELIVRD</receive_real_status>
<batch_num> zhuanxinyun100001</batch_num>
<stat_time>2017-04-21 22:42:22</stat_time>
</record>
</records>
</body>
</xml>"""
REPLY = """<?xml version="1.0" encoding="UTF-8"?>
<xml>
<head>
<app_key>nqzuhh1wq9lxlpya1q0976gdb50p1eqi</app_key>
<time_stamp>20160823143033</time_stamp>
<nonce_str>sdhi23hsdpghu32ohzh</nonce_str>
<sign>72b16e1d63b9f2f2ee588df4e88d7706</sign>
</head>
<body>
<dest>
<src_id>8615058306581</src_id>
<content>測試</content>
<dest_id>410001123</dest_id>
</dest>
</body>
</xml>""".encode()


def report(number: int) -> bytes:
    """A push of a report like the vendor's, with its own nonce and mission number."""
    return REPORT.replace(b"sdowenfwierhfwdkpkadbi", b"nonce%d" % number).replace(b">100001<", b">%d<" % number)


@dataclass
class Endpoint:
    """`smsrecon receive` in a folder."""

    folder: Path
    base_url: str
    process: ForkedCommand | subprocess.Popen[bytes]
    stderr: TextIO

    @property
    def landing(self) -> Landing:
        return Landing(self.folder / "data" / "landing")

    @property
    def push_url(self) -> str:
        return f"{self.base_url}/push/{PATH_SECRET}"

    def push(self, body: bytes, **headers: str) -> int:
        """Push the body; returns the HTTP status."""
        answer = httpx.post(self.push_url, content=body, headers=headers, timeout=60, verify=NO_CERTIFICATES)
        return answer.status_code

    def metrics(self) -> dict[str, float]:
        lines = httpx.get(f"{self.base_url}/metrics", verify=NO_CERTIFICATES).text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def stop(self) -> None:
        """Stop it with SIGTERM, as systemd does; segments are sealed then."""
        self.process.terminate()
        assert self.process.wait(timeout=30) in {0, -SIGTERM}
        assert not list(self.landing.root.rglob("*.open"))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def landed(folder: Path, kind: str = "pushes") -> list[bytes]:
    """The bodies on disk, after sealing open segments."""
    segments = SegmentFolder(folder / "data" / "landing" / kind)
    return [frame.body for name in segments.names() for frame in segments.read(name)]


@contextmanager
def receiving(
    folder: Path,
    variables: Mapping[str, str] | None = None,
    *,
    command: Sequence[str] = (),
    constants: Mapping[str, Any] | None = None,
) -> Iterator[Endpoint]:
    """An endpoint on its own port, stopped at the end of the block: a fork, or a command in a new interpreter."""
    folder.mkdir(exist_ok=True)
    own = {
        "SMSRECON_GATEWAY__APP_KEY": APP_KEY,
        "SMSRECON_GATEWAY__APP_SECRET": "secret",
        "SMSRECON_RECEIVE__PATH_SECRET": PATH_SECRET,
        "SMSRECON_RECEIVE__PORT": "0",
    }
    theirs = os.environ | own | (variables or {})
    reader, writer = os.pipe()
    with os.fdopen(reader) as stderr:
        process: ForkedCommand | subprocess.Popen[bytes]
        if command:
            process = subprocess.Popen(command, cwd=folder, env=theirs, stderr=writer)
        else:
            process = ForkedCommand(
                ["receive"], folder=folder, variables=theirs, stdout=writer, stderr=writer, constants=constants
            )
        os.close(writer)
        try:
            lines: list[str] = []
            found = None
            while found is None:
                lines.append(stderr.readline())
                assert lines[-1], "".join(lines)
                found = re.search(r"http://[0-9.]+:[0-9]+", lines[-1])
            yield Endpoint(folder, found[0], process, stderr)
        finally:
            process.kill()
            process.wait()
