"""Commands about personal data: suppression lists, erasure, retention."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pipelines.cli import invocation
from pipelines.cli.invocation import Json, Yes, to_stdout

suppress = App(
    name="suppress",
    help="""Manage suppression lists: phones that campaigns must not send to.

For example:

  smsrecon suppress import complaints.csv --reason complained""",
)

Phones = Annotated[
    str,
    Parameter(allow_leading_hyphen=True, help="Phones, 11 digits each; - reads standard input, one per line."),
]
Reason = Annotated[str, Parameter(help="Reason in one word, shown wherever a phone is suppressed.")]


@suppress.command(name="add")
def suppress_add(
    *phones: Phones,
    reply: Annotated[
        tuple[str, ...], Parameter(show_default=False, help="Id of a reply in 'suppress review', for its phone.")
    ] = (),
    reason: Reason = "by_hand",
    json: Json = False,
) -> int:
    """Add phones to a suppression list.

    Campaigns stop sending to them, also those that are being sent.

    For example:

      smsrecon suppress add 13800000000 --reason complained
      smsrecon suppress add - < phones.txt
      smsrecon suppress add --reply 4f2a91c0d3 --reason opted_out
    """
    from pipelines.console.terminal import show_lines
    from pipelines.operations.opt_out_review import phones_of_replies
    from pipelines.operations.suppression_lists import add_phones

    settings = invocation.settings()
    given = _phones_of(phones) + (phones_of_replies(reply, settings) if reply else [])
    listed = add_phones(given, reason=reason, settings=settings, at=invocation.now())
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="remove")
def suppress_remove(*phones: Phones, json: Json = False) -> int:
    """Remove phones from all suppression lists.

    Campaigns planned from now on send to them again; later opt-outs count.
    """
    from pipelines.cli.exits import to_stderr
    from pipelines.console.terminal import show_lines
    from pipelines.operations.suppression_lists import remove_phones

    listed = remove_phones(_phones_of(phones), settings=invocation.settings(), at=invocation.now())
    show_lines(asdict(listed), as_json=json)
    if listed.untimed_opt_out_count:
        to_stderr(
            f"smsrecon: {listed.untimed_opt_out_count} of these phones opted out in a reply without a time, which the"
            " gateway still returns: until it stops, the same text sent once more can't be told from it; if one writes"
            " to you again, use 'smsrecon suppress add'"
        )
    return 0


@suppress.command(name="import")
def suppress_import(
    file: Annotated[Path, Parameter(help="CSV, Excel or Parquet file with phones; reason and since_at are optional.")],
    /,
    *,
    reason: Reason = "imported",
    accept_unreadable: Annotated[
        bool, Parameter(show_default=False, help="Add the others if some rows hold no phone.")
    ] = False,
    json: Json = False,
) -> int:
    """Add the phones of a file to a suppression list."""
    from pipelines.console.terminal import show_lines
    from pipelines.operations.suppression_lists import import_list

    listed = import_list(
        file,
        reason=reason,
        settings=invocation.settings(),
        at=invocation.now(),
        accept_unreadable=accept_unreadable,
    )
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="list")
def suppress_list(*, json: Json = False) -> int:
    """List suppressed phones, masked, with the reason."""
    from pipelines.campaign.suppressions import phones_on_lists
    from pipelines.console.results import show_suppressed
    from pipelines.landing.landing import landing_of

    show_suppressed(phones_on_lists(landing_of(invocation.settings())), as_json=json)
    return 0


@suppress.command(name="review")
def suppress_review(
    *,
    campaign: Annotated[str | None, Parameter(show_default=False, help="Replies to this campaign only.")] = None,
    json: Json = False,
) -> int:
    """Show replies that may be opt-outs, with their texts.

    Such a text holds an opt-out word without surely opting out. Replies of people
    on a list are left out.

    For example:

      smsrecon suppress review --campaign spring
    """
    from pipelines.console.progress import working
    from pipelines.console.results import show_review
    from pipelines.operations.opt_out_review import replies_to_review

    with working("loading and reconciling"):
        found = replies_to_review(invocation.settings(), campaign, clock=invocation.now)
    show_review(found, as_json=json)
    return 0


def forget(
    phone: Annotated[str, Parameter(allow_leading_hyphen=True, help="Phone, 11 digits; - reads standard input.")],
    /,
    *,
    keep_suppressed: Annotated[
        bool, Parameter(show_default=False, help="Keep the phone on the suppression lists.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Erase a person's data permanently.

    The books stay as they are: the phone is replaced by a tombstone. Without
    --keep-suppressed, a later campaign whose file has the phone sends to it again.

    For example:

      smsrecon forget - --keep-suppressed
    """
    from pipelines.console.progress import working
    from pipelines.console.results import confirm_forgetting
    from pipelines.console.terminal import show_lines
    from pipelines.operations.erasure import erase_person

    settings = invocation.settings()
    number = _one_phone_of(phone)
    if not yes:
        confirm_forgetting(is_shown=not json and phone != "-")
    with working("looking") as progress:
        done = erase_person(
            number, keep_suppressed=keep_suppressed, settings=settings, clock=invocation.now, progress=progress
        )
    show_lines(asdict(done), as_json=json)
    return 0


def purge(
    *,
    older_than: Annotated[int, Parameter(help="Days since the last message of a campaign was sent.")],
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show what would be deleted; delete nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Delete old campaigns and their data permanently.

    The calls and imports of their time are deleted, too. A campaign is kept, with
    everything that arrived since it began, while any of its messages is still to
    be sent, in doubt, or waiting for a report. Final figures and campaign ids are
    kept: an id is never used again.

    For example:

      smsrecon purge --older-than 365 --dry-run
      smsrecon purge --older-than 365
    """
    from pipelines.console.progress import working
    from pipelines.console.retention import confirm_purge, show_purge
    from pipelines.operations.retention import apply_purge, plan_purge

    settings = invocation.settings()
    with working("reconciling"):
        found = plan_purge(older_than, settings=settings, as_of=invocation.now())
    is_to_be_done = not (dry_run or found.is_empty)
    if not json:
        show_purge(found, is_done=is_to_be_done, as_json=False)
    if is_to_be_done:
        if not yes:
            confirm_purge(found, is_shown=not json)
        with working("removing") as progress:
            apply_purge(found, settings=settings, clock=invocation.now, progress=progress)
        if not json:
            to_stdout("\nDeleted.")
    if json:
        show_purge(found, is_done=is_to_be_done, as_json=True)
    return 0


def _phones_of(phones: tuple[str, ...]) -> list[str]:
    """The phones of the command line, or of standard input. Raises UsageError if that is no text."""
    from pipelines.errors import UsageError
    from pipelines.phones import phones_in_lines
    from pipelines.tabular.charset import UnknownCharset, text_of

    if phones != ("-",):
        return [*phones]
    if sys.stdin is None:
        raise UsageError("standard input is closed; give phones, or redirect a file to it")
    try:
        return phones_in_lines(text_of(sys.stdin.buffer.read()))
    except UnknownCharset:
        raise UsageError("standard input is not text in UTF-8, UTF-16, GBK or Big5; save it as one of these") from None


def _one_phone_of(phone: str) -> str:
    """The phone of the command line, or of standard input. Raises UsageError unless it is one."""
    from pipelines.errors import UsageError

    phones = _phones_of((phone,))
    if len(phones) != 1:
        raise UsageError(f"standard input has {len(phones)} phones; give one")
    return phones[0]
