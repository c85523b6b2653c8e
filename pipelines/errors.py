"""The tree of errors, sorted by who acts and by whether a message may have been sent.

    SmsreconError
    ├── UsageError                the operator: a setting or an option is wrong                     2
    ├── InputRefused              the campaign's owner: the file can't be sent as it is            10
    ├── GatewayError
    │   ├── NotSent               surely not sent
    │   │   ├── GatewayRefused    the gateway refused, with an error code                          11
    │   │   └── GatewayUnavailable  the gateway could not be reached                               12
    │   └── OutcomeUnknown        the request left, and no answer can be trusted: in doubt         13
    ├── SharedUnavailable         the database or bucket that machines share can't be reached      12
    ├── InDoubt                   a campaign holds batches that may have been sent                 13
    ├── BooksError                the books don't balance, or data is missing                      14
    ├── CampaignBusy              another process is sending this campaign                         15
    ├── WarehouseBusy             another process holds the warehouse                              15
    ├── AlertRaised               a rule of [alerts] found something, or an alert wasn't delivered 16
    └── Unforeseen                a bug or a failing machine, in a step of a scheduled run          1

The number is the exit code; `EXIT_CODES` says what each means, for --help and the pages. No message ever holds a phone,
a text or a secret; each ends in the next step.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

# Messages of the operating system and of SQLite that point at the machine, not at the program.
_ENVIRONMENT_MESSAGES = (
    "No space left on device",
    "disk is full",
    "disk I/O error",  # of SQLite, when it has no room for its shared memory
    "Disk quota exceeded",
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "readonly database",
    "unable to open database file",
    "Not a directory",
    "Is a directory",
    "File name too long",
)


class SmsreconError(Exception):
    """Base class of all errors that smsrecon foresees; the command ends with `exit_code`."""

    exit_code = 1


class UsageError(SmsreconError):
    """A setting, an option or a name is wrong; nothing was done."""

    exit_code = 2


class InputRefused(SmsreconError):
    """The input can't become a plan; nothing was sent."""

    exit_code = 10


class GatewayError(SmsreconError):
    """A call of the gateway failed."""

    exit_code = 12
    failure: str | None = None  # the name of the underlying failure, such as ReadTimeout


class NotSent(GatewayError):
    """Surely not sent: a retry can't reach anybody twice."""


class GatewayRefused(NotSent):
    """The gateway answered with an error code other than 000000, and accepted nothing."""

    exit_code = 11

    def __init__(self, message: str, error_code: str) -> None:
        super().__init__(message)
        self.error_code = error_code


class GatewayUnavailable(NotSent):
    """The gateway could not be reached, so no byte of the request left."""

    exit_code = 12


class OutcomeUnknown(GatewayError):
    """May have been sent: the request left and no answer can be trusted. Never retried automatically."""

    exit_code = 13

    def __init__(self, message: str, received: bytes = b"") -> None:
        super().__init__(message)
        self.received = received  # the part of the answer that came, to be landed and never shown


class SharedUnavailable(SmsreconError):
    """The database or the bucket of an installation on several machines can't be reached."""

    exit_code = 12


class InDoubt(SmsreconError):
    """A campaign holds batches that may have been sent; delivery reports or the operator settle them."""

    exit_code = 13


class BooksError(SmsreconError):
    """The books don't balance, a day is missing, or a check found something."""

    exit_code = 14


class WarehouseBusy(SmsreconError):
    """Another process holds the warehouse for longer than the limit."""

    exit_code = 15


class CampaignBusy(SmsreconError):
    """Another process is sending this campaign."""

    exit_code = 15


class AlertRaised(SmsreconError):
    """A rule of [alerts] found something, or the alert could not be delivered."""

    exit_code = 16


class Unforeseen(SmsreconError):
    """Any other error, reduced to where it was raised, since its message may quote a row."""


class ExitCode(NamedTuple):
    """The meaning of an exit code and the operator's next step, empty if there is nothing to do."""

    meaning: str
    next_step: str


EXIT_CODES: Final[Mapping[int, ExitCode]] = {
    0: ExitCode("done, and the books balance", ""),
    1: ExitCode("a bug", "report it; the error shows the place in the code and no personal data"),
    2: ExitCode("wrong usage: an option, a setting or a name; nothing was done", "correct it as the error says"),
    10: ExitCode("the input was refused; nothing was sent", "correct the file"),
    11: ExitCode("the gateway refused", "look at the error code"),
    12: ExitCode("the gateway, or what several machines share, is unavailable", "try again later"),
    13: ExitCode(
        "something is in doubt: it may have been sent",
        "run `smsrecon daily` later: reports settle it; or settle it with `smsrecon resolve ID`",
    ),
    14: ExitCode(
        "the books don't balance, or data is missing",
        "do as the error says; for a missing day `smsrecon pull --day 2026-11-11`",
    ),
    15: ExitCode("another process holds the campaign or the warehouse", "wait, then run the command again"),
    16: ExitCode("an alert: a rule of `[alerts]` found something, or an alert can't be sent", "do as the error says"),
    130: ExitCode("stopped by Ctrl-C", "run the same command again"),
    141: ExitCode("the program that reads the output has ended (broken pipe)", ""),
    143: ExitCode("a campaign was stopped by SIGTERM", "run `smsrecon resume ID`"),
}


def environment_error(error: Exception) -> str | None:
    """The machine's own message if it caused the error, such as a full disk; None if the program did."""
    if isinstance(error, ExceptionGroup):
        return next(filter(None, map(environment_error, error.exceptions)), None)
    message = next((message for message in _ENVIRONMENT_MESSAGES if message in str(error)), None)
    return f"{error.filename}: {message}" if message and isinstance(error, OSError) and error.filename else message
