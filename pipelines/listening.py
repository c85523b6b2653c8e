"""Opens the socket of a server; a port that is taken or forbidden becomes an error with a next step."""

import os
import socket
from typing import Final

from pipelines.errors import UsageError

BACKLOG: Final = 1024  # connections that wait to be accepted


def listen(host: str, port: int, *, advice: str) -> socket.socket:
    """Open a listening socket; port 0 takes any free port. Raises UsageError, which ends in `advice`."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise UsageError(f"can't listen on {host}:{port} ({why}); {advice}") from None
    # Connections inherit this. asyncio does not set it on sockets made this way, and Nagle's algorithm would delay
    # answers by 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
