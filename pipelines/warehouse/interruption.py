"""Ctrl-C during a query: DuckDB checks for signals only now and then, and misses about half of them."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import duckdb


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let SIGINT interrupt a query of `connection` at once, as a KeyboardInterrupt, while the block runs.

    The signal wakes up a thread, which interrupts DuckDB while the main thread is busy inside it.
    """
    if threading.current_thread() is not threading.main_thread():  # signals arrive only there
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
        except (duckdb.Error, RuntimeError) as error:
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
