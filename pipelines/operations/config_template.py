"""The configuration file that `smsrecon init` writes: every setting with its default, generated from settings.py."""

import secrets
import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from pipelines.errors import UsageError
from pipelines.files import written_whole
from pipelines.settings import Setting, Settings, described_settings

_HEAD: Final = """\
# Settings of smsrecon. A line that is commented out shows the default, or an example where there is no default.
# A variable wins over this file: SMSRECON_GATEWAY__APP_SECRET is app_secret of [gateway].
"""
_COMMENT_COLUMN: Final = 31
_LINE_LENGTH: Final = 120


def write_template(path: Path, *, is_shared: bool = False) -> None:
    """Write a configuration file to fill in, readable by its owner only. Raises UsageError if the file exists.

    The installation gets a random name, so that two of them on one account never have the same. Of one that several
    machines share, the settings of [shared] are to be filled in too.
    """
    try:
        with written_whole(path, overwrite=False) as draft:
            text = template(installation=f"main-{secrets.token_hex(4)}", is_shared=is_shared)
            draft.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{path} exists already; edit it, or remove it first") from None
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}); choose another folder") from None


def template(settings: type[Settings] = Settings, *, installation: str | None = None, is_shared: bool = False) -> str:
    """The text of the configuration file: a TOML table for each group of settings, defaults commented out.

    An `installation` is filled in, and [shared] is left to be filled in for several machines.
    """
    parts = [_HEAD]
    for table, members in groupby(described_settings(settings), key=lambda setting: setting.table):
        lines = list(_commented(f"[{table}]", _summary(settings, table))) if table else []
        for setting in members:
            is_filled_in = installation is not None and setting.name == "installation"
            code = f'installation = "{installation}"' if is_filled_in else _assignment(setting)
            if is_shared and table == "shared":
                code = code.removeprefix("# ")
            lines += _commented(code, setting.description.replace("`", ""))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _summary(settings: type[Settings], table: str) -> str:
    """The docstring of the table's model."""
    return type(settings.model_fields[table].default).__doc__ or ""


def _assignment(setting: Setting) -> str:
    shown = setting.example if setting.default is None else setting.default
    return f"{'' if setting.is_to_fill_in else '# '}{setting.name} = {shown}"


def _commented(code: str, comment: str) -> Iterator[str]:
    """The line with its comment beside it, which goes on below in the same column where it is long."""
    line = f"{code:{_COMMENT_COLUMN - 2}}  # {comment}"
    if len(line) <= _LINE_LENGTH:
        yield line
        return
    first, *more = textwrap.wrap(comment, _LINE_LENGTH - _COMMENT_COLUMN, initial_indent="# ", subsequent_indent="# ")
    if len(code) <= _COMMENT_COLUMN - 2:
        yield f"{code:{_COMMENT_COLUMN}}{first}"
    else:
        yield code
        more = [first, *more]
    yield from (f"{'':{_COMMENT_COLUMN}}{line}" for line in more)
