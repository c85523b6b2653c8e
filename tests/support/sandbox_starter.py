"""Forks a sandbox whenever it gets three file descriptors over standard input; answers with its process id.

It imports what the child process of RunningSandbox imports. It never waits for a fork, so that no process id is used
again, and ends when standard input is closed.
"""

import gc
import os
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from pipelines.sandbox.__main__ import main  # noqa: E402


def serve() -> None:
    os.chdir(ROOT)
    gc.freeze()  # or each fork would copy the modules when it first collects garbage
    orders = socket.socket(fileno=os.dup(0))
    while True:
        order, standard, _, _ = socket.recv_fds(orders, 1, 3)
        if not order:
            return
        pid = os.fork()
        if pid == 0:
            orders.close()
            for number, descriptor in enumerate(standard):
                os.dup2(descriptor, number)
                os.close(descriptor)
            os._exit(main())
        for descriptor in standard:
            os.close(descriptor)
        orders.sendall(pid.to_bytes(8, "big"))


if __name__ == "__main__":
    serve()
