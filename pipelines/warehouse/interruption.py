"""Ctrl-C for a query: DuckDB looks for signals now and then only, and half of the time it never notices one."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import duckdb


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let SIGINT end at once what `connection` is doing inside the block, as a KeyboardInterrupt.

    The system's handler wakes up a thread, which can tell DuckDB while the main thread is busy inside it.
    """
    if threading.current_thread() is not threading.main_thread():  # only there do signals arrive
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(reader, connection), daemon=True)
    with closing(reader), closing(writer):
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        watcher.start()
        try:
            yield
        except (duckdb.InterruptException, RuntimeError) as error:
            if "nterrupted" not in str(error):
                raise
            raise KeyboardInterrupt from None
        finally:
            signal.set_wakeup_fd(before)
            writer.close()
            watcher.join()


def _watch(reader: socket.socket, connection: duckdb.DuckDBPyConnection) -> None:
    while number := reader.recv(1):
        if number[0] == signal.SIGINT:
            connection.interrupt()
