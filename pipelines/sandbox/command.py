"""`smsrecon sandbox`: every setting of the sandbox is an option, described where the setting is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pipelines.sandbox.answers import ERRORS
from pipelines.sandbox.settings import SandboxSettings, Shares


@dataclass(frozen=True)
class Options(SandboxSettings):
    """The settings with what a person at a terminal would choose."""

    truth: Path = Path("sandbox.sqlite")
    """The SQLite file of what really happened: made where there is none, else gone on with."""
    port: int = 8026
    """The port it listens on; 0 takes any free one."""
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

It prints the variable that leads smsrecon to it.

How to get each error code; or send to 19999990001 for 100001, and so on:

{_TRIGGERS}

The next send accepted, and its answer lost:

  curl -d '{{"faults": [{{"kind": "drop"}}]}}' 127.0.0.1:8026/sandbox/control""",
)


@app.default
def sandbox(*, options: Annotated[Options, Parameter(name="*")] = Options()) -> int:
    """Run a gateway to try things on, on 127.0.0.1, until Ctrl-C."""
    from pipelines.sandbox.server import serve  # noqa: PLC0415  --help does not need it

    serve(options, ready=lambda url: print(f"SMSRECON_GATEWAY__BASE_URL={url}", flush=True))  # noqa: T201
    return 0
