"""How a command ends: one line on standard error for what went wrong, the exit code, and outputs that take every text.

What each error means is said in errors.py; here are also the ends that no code of ours raises: Ctrl-C, a reader that
has gone, a full disk, a bug. No line holds a person: what was typed may be a phone or a text, and so may be what a
library says. Nothing here knows the commands.
"""

import os
import sys
import traceback
from collections.abc import Iterator

from cyclopts import CycloptsError, UnknownOptionError, UnusedCliTokensError

from pipelines.errors import SmsreconError, Unforeseen, UsageError, environment_error
from pipelines.phones import mask_numbers_in_text

INTERRUPTED = 130
READER_GONE = 141


def prepare_output() -> None:
    """Have two outputs that take every character: one that was closed takes all and shows nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # else the next file to be opened would be what others take for the output
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        getattr(sys, name).reconfigure(errors="replace")


def exit_code_for(error: BaseException) -> int:
    """Say what was foreseen in one line, and of what was not where it came from; returns the exit code."""
    match error:
        case CycloptsError():
            command = " ".join(("smsrecon", *(error.command_chain or ())))
            return fail(f"{_mistyped(error)} See '{command} --help'.", UsageError.exit_code)
        case SmsreconError():
            return fail(str(error), error.exit_code)
        case KeyboardInterrupt():
            return fail("stopped; run the same command again to go on", INTERRUPTED)
        case BrokenPipeError() | SystemExit():  # the reader has seen enough; SystemExit is how --help puts it
            _drop_output()
            return READER_GONE
        case Exception() if (said := environment_error(error)) is not None:
            _drop_output()
            return fail(f"{said}; mend that, then run the command again", UsageError.exit_code)
    for line in _where_from(error):
        tell(line)
    return fail(
        f"{type(error).__name__}: a bug, whose message isn't shown, as it may hold a phone or a text; please report it",
        Unforeseen.exit_code,
    )


def fail(message: str, exit_code: int) -> int:
    """Write one line to standard error, whatever the message holds, with phones masked; returns the code."""
    line = " ".join(message.split())
    line = "".join(sign if sign.isprintable() else "\ufffd" for sign in line)
    tell("smsrecon: " + mask_numbers_in_text(line))
    return exit_code


def tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _mistyped(error: CycloptsError) -> str:
    """What is wrong with what was typed, without what may be a text: words too many, and the value of an option."""
    match error:
        case UnusedCliTokensError(unused_tokens=unused):
            return f"It takes fewer words, by {len(unused or ())}; put quotes around one that has blanks."
        case UnknownOptionError(token=token):
            typed = token.keyword or token.value
            return str(error).replace(typed, typed.partition("=")[0])
    return str(error)


def _where_from(error: BaseException) -> Iterator[str]:
    """The traceback of an error, and of those behind and within it, without what they say."""
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for other in (behind, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())):
        if other is not None:
            yield from _where_from(other)
            yield f"{type(other).__name__}, and from that:"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()


def _drop_output() -> None:
    """Let nothing more be written to an output that takes nothing, not even at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
