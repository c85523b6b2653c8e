"""How a command ends: one line on standard error for what went wrong, the exit code, and outputs that take every text.

What each error means is said in errors.py; here are also the ends that no code of ours raises: Ctrl-C, a reader that
has gone, a full disk. Nothing here knows the commands.
"""

import os
import sys

from cyclopts import CycloptsError

from pipelines.errors import SmsreconError, UsageError

INTERRUPTED = 130
READER_GONE = 141

# What the machine, not the program, is the reason of: in the system's words, which libraries pass on, and in SQLite's.
_OF_THE_MACHINE = (
    "No space left on device",
    "disk is full",
    "Disk quota exceeded",
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "readonly database",
    "unable to open database file",
    "Not a directory",
    "Is a directory",
)


def prepare_output() -> None:
    """Have two outputs that take every character: one that was closed takes all and shows nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # else the next file to be opened would be what others take for the output
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        getattr(sys, name).reconfigure(errors="replace")


def ended_by(error: BaseException) -> int:
    """Say what was foreseen in one line, and return its exit code; what was not is raised again."""
    match error:
        case CycloptsError():
            command = " ".join(("smsrecon", *(error.command_chain or ())))
            return fail(f"{error} See '{command} --help'.", UsageError.exit_code)
        case SmsreconError():
            return fail(str(error), error.exit_code)
        case KeyboardInterrupt():
            return fail("stopped; run the same command again to go on", INTERRUPTED)
        case BrokenPipeError() | SystemExit():  # the reader has seen enough; SystemExit is how --help puts it
            _drop_output()
            return READER_GONE
        case Exception() if (said := said_by_the_machine(error)) is not None:
            _drop_output()
            return fail(f"{said}; mend that, then run the command again", UsageError.exit_code)
    raise error


def fail(message: str, exit_code: int) -> int:
    """Write one line to standard error, whatever the message holds; returns the code."""
    line = " ".join(message.split())
    tell("smsrecon: " + "".join(sign if sign.isprintable() else "\ufffd" for sign in line))
    return exit_code


def tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def said_by_the_machine(error: Exception) -> str | None:
    """What the machine is in trouble with, in its own words; None where the error is the program's."""
    if isinstance(error, ExceptionGroup):
        return next(filter(None, map(said_by_the_machine, error.exceptions)), None)
    said = next((words for words in _OF_THE_MACHINE if words in str(error)), None)
    return f"{error.filename}: {said}" if said and isinstance(error, OSError) and error.filename else said


def _drop_output() -> None:
    """Let nothing more be written to an output that takes nothing, not even at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
