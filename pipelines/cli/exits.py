"""The end of a command: an exit code, one line on standard error for an error, and outputs that take every text.

errors.py defines the errors and the meanings of exit codes. This module also ends a command after Ctrl-C, a closed
pipe, a full disk, or a bug. No line shows personal data: the command line may hold a phone or a text, and so may the
message of a library's error. Nothing here knows the commands.
"""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from cyclopts import CycloptsError, UnknownOptionError, UnusedCliTokensError

from pipelines.errors import SmsreconError, Unforeseen, UsageError, environment_error
from pipelines.phones import mask_numbers_in_text

INTERRUPTED = 130
READER_GONE = 141


def prepare_output() -> None:
    """Make standard output and error take every character; a closed one takes everything and shows nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # else the next file that is opened would get the output's number
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        getattr(sys, name).reconfigure(errors="replace")


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: by a KeyboardInterrupt, so that nothing it has started is left."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code_for(error: BaseException) -> int:
    """Print an error as one line, a bug as a traceback without messages, and return the exit code."""
    match error:
        case CycloptsError():
            command = " ".join(("smsrecon", *(error.command_chain or ())))
            return fail(f"{_usage_problem(error)} See '{command} --help'.", UsageError.exit_code)
        case SmsreconError():
            return fail(str(error), error.exit_code)
        case KeyboardInterrupt():
            return fail("stopped; run the same command again to continue", INTERRUPTED)
        case BrokenPipeError() | SystemExit():  # the reader has closed the pipe; --help raises SystemExit then
            _drop_output()
            return READER_GONE
        case Exception() if (said := environment_error(error)) is not None:
            _drop_output()
            return fail(f"{said}; correct that, then run the command again", UsageError.exit_code)
    for line in _tracebacks(error):
        to_stderr(line)
    return fail(
        f"{type(error).__name__}: a bug; its message may hold personal data and is not shown; please report it",
        Unforeseen.exit_code,
    )


def fail(message: str, exit_code: int) -> int:
    """Print a message as one line on standard error, with phones masked, and return the exit code."""
    line = " ".join(message.split())
    line = "".join(sign if sign.isprintable() else "\ufffd" for sign in line)
    to_stderr("smsrecon: " + mask_numbers_in_text(line))
    return exit_code


def to_stderr(line: str) -> None:
    """Print a line that is not a result: progress, or an error."""
    print(line, file=sys.stderr)  # noqa: T201


def _usage_problem(error: CycloptsError) -> str:
    """The message of a usage error, without arguments and values, which may be texts."""
    match error:
        case UnusedCliTokensError(unused_tokens=unused):
            return f"{len(unused or ())} arguments too many; put quotes around an argument with blanks."
        case UnknownOptionError(token=token):
            typed = token.keyword or token.value
            return str(error).replace(typed, typed.partition("=")[0])
    return str(error)


def _tracebacks(error: BaseException) -> Iterator[str]:
    """The tracebacks of an error, its cause and its members, without their messages."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for other in (cause, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())):
        if other is not None:
            yield from _tracebacks(other)
            yield f"{type(other).__name__}, which led to:"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()


def _drop_output() -> None:
    """Redirect standard output to nowhere: it takes nothing more, and flushing it at the exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
