"""Commands about people: who must not be written to, whose data is erased, what is old."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pipelines.cli import invocation
from pipelines.cli.invocation import Json, say

suppress = App(name="suppress", help="Say who must not be written to, or may be again.")

Phones = Annotated[
    str, Parameter(allow_leading_hyphen=True, help="11 digits each; - reads them from standard input, one a line.")
]
Reason = Annotated[str, Parameter(help="Why, in a word: it is shown wherever the phone is left out.")]


@suppress.command(name="add")
def suppress_add(*phones: Phones, reason: Reason = "by_hand", json: Json = False) -> int:
    """Put phones on a list: no campaign writes to them from now on.

    For example:

      smsrecon suppress add 13800000000 --reason complained
      smsrecon suppress add - < phones.txt
    """
    from pipelines.console.terminal import show_lines
    from pipelines.operations.suppression_lists import add

    listed = add(_given(phones), reason=reason, settings=invocation.settings(), at=invocation.now())
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="remove")
def suppress_remove(*phones: Phones, json: Json = False) -> int:
    """Take phones off all lists: campaigns planned from now on write to them."""
    from pipelines.console.terminal import show_lines
    from pipelines.operations.suppression_lists import remove

    listed = remove(_given(phones), settings=invocation.settings(), at=invocation.now())
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="import")
def suppress_import(
    file: Annotated[Path, Parameter(help="CSV, Excel or Parquet with phones, and reason and since_at if it has them.")],
    /,
    *,
    reason: Reason = "imported",
    json: Json = False,
) -> int:
    """Put the phones of a file on a list."""
    from pipelines.console.terminal import show_lines
    from pipelines.operations.suppression_lists import bring

    listed = bring(file, reason=reason, settings=invocation.settings(), at=invocation.now())
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="list")
def suppress_list(*, json: Json = False) -> int:
    """Show who is on a list now, with the phone masked, and why."""
    from pipelines.campaign.suppressions import suppressed_phones
    from pipelines.console.results import show_suppressed
    from pipelines.landing.landing import landing_of

    show_suppressed(suppressed_phones(landing_of(invocation.settings())), as_json=json)
    return 0


def forget(
    phone: Annotated[str, Parameter(allow_leading_hyphen=True, help="11 digits; - reads them from standard input.")],
    /,
    *,
    keep_suppressed: Annotated[
        bool, Parameter(show_default=False, help="Leave them on the lists of who must not be written to.")
    ] = False,
    yes: Annotated[bool, Parameter(show_default=False, help="Don't ask.")] = False,
    json: Json = False,
) -> int:
    """Take a person out of everything that is kept, for good.

    The books stay as they are: a tombstone stands where the phone stood. Who is off
    the lists, too, can be written to again by a campaign that has their phone.

    For example:

      smsrecon forget - --keep-suppressed
    """
    from pipelines.console.progress import working
    from pipelines.console.results import confirm_forgetting
    from pipelines.console.terminal import show_lines
    from pipelines.operations.erasure import forget as forget_person

    settings = invocation.settings()
    (number,) = _given((phone,)) or [""]
    if not yes:
        confirm_forgetting(is_shown=not json and phone != "-")
    with working("looking") as tell:
        done = forget_person(
            number, keep_suppressed=keep_suppressed, settings=settings, clock=invocation.now, tell=tell
        )
    show_lines(asdict(done), as_json=json)
    return 0


def purge(
    *,
    older_than: Annotated[int, Parameter(help="Days since the last message of a campaign.")],
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show what would go; remove nothing.")] = False,
    yes: Annotated[bool, Parameter(show_default=False, help="Don't ask.")] = False,
    json: Json = False,
) -> int:
    """Remove old campaigns, and the calls and imports of their time, for good.

    A campaign stays while something of it is to be sent, in doubt or still to be
    reported, and with it all that came since it began. The final figures are kept,
    and its id: it is never sent again.

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
        with working("removing") as tell:
            apply_purge(found, settings=settings, clock=invocation.now, tell=tell)
        if not json:
            say("\nAll of that is gone.")
    if json:
        show_purge(found, is_done=is_to_be_done, as_json=True)
    return 0


def _given(phones: tuple[str, ...]) -> list[str]:
    """The phones of the command line, or of standard input."""
    return sys.stdin.read().split() if phones == ("-",) else [*phones]
