"""`smsrecon sandbox`: every setting of the sandbox is an option, described in settings.py."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pipelines.sandbox.answers import ERRORS
from pipelines.sandbox.settings import SandboxSettings, Shares


@dataclass(frozen=True)
class Options(SandboxSettings):
    """The settings, with defaults for a terminal."""

    truth: Path = Path("sandbox.sqlite")
    """SQLite file that records everything that happened; created if missing; an existing file is continued."""
    port: int = 8026
    """Port to listen on; 0 takes any free port."""
    shares: Annotated[Shares, Parameter(group="Shares of all messages")] = field(default_factory=Shares)


_TRIGGERS = "\n".join(f"  {code}  {error.trigger.replace('`', '')}" for code, error in ERRORS.items())

app = App(
    name="sandbox",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    help_epilogue=f"""For example:

  smsrecon sandbox
  smsrecon sandbox --report-mode drain --fault-rate 0.1 --seed 7

It prints the variable that points smsrecon to it.

How to get each error code; or send to 19999990001 for 100001, and so on:

{_TRIGGERS}

To have the next send accepted and its answer lost:

  curl -d '{{"faults": [{{"kind": "drop"}}]}}' 127.0.0.1:8026/sandbox/control""",
)


@app.default
def sandbox(*, options: Annotated[Options, Parameter(name="*")] = Options()) -> int:
    """Run a sandbox gateway on 127.0.0.1 until Ctrl-C."""
    from pipelines.sandbox.server import serve  # noqa: PLC0415  --help does not need it

    serve(options, ready=lambda url: print(f"SMSRECON_GATEWAY__BASE_URL={url}", flush=True))  # noqa: T201
    return 0
