"""The child process of RunningSandbox.

The settings come as one line of JSON on standard input, since every process could read the secret in an argument. One
line of JSON goes back: the base URL, or the error. It serves until standard input closes, so it never outlives the
process that started it.
"""

import json
import sys
import threading
from collections.abc import Callable

from pipelines.errors import UsageError
from pipelines.sandbox.server import serve
from pipelines.sandbox.settings import SandboxSettings


def main() -> int:
    settings = SandboxSettings.from_json(sys.stdin.buffer.readline())
    try:
        serve(settings, ready=lambda base_url: _say(base_url=base_url), stopper=_stop_at_end_of_input)
    except UsageError as error:
        _say(error=str(error))
        return error.exit_code
    return 0


def _stop_at_end_of_input(stop: Callable[[], None]) -> None:
    def wait() -> None:
        sys.stdin.buffer.read()
        stop()

    threading.Thread(target=wait, daemon=True).start()


def _say(**line: str) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
