"""The owners of files: settings and data that another user can change are refused."""

import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

from pipelines.errors import UsageError


def check_owner(path: Path) -> None:
    """Raise UsageError unless the file or folder is this user's or root's, and nobody else can write to it.

    It is ssh's rule for its own files: whoever can change the settings gets the secret, and whoever can change the data
    decides what is sent. A group that has only its owner in it may write.
    """
    state = path.stat()
    if state.st_uid not in {os.geteuid(), 0}:
        raise UsageError(f"{path} belongs to {_user_name(state.st_uid)}; use a file of your own, or change its owner")
    if state.st_mode & stat.S_IWOTH or (state.st_mode & stat.S_IWGRP and not _is_private_group(state)):
        raise UsageError(f"{path} can be changed by other users; run 'chmod go-w {shlex.quote(str(path))}'")


def _user_name(user: int) -> str:
    try:
        return f"user {pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"user {user}"


def _is_private_group(state: os.stat_result) -> bool:
    """True if the group is that of the owner, and nobody else is in it."""
    try:
        owner, group = pwd.getpwuid(state.st_uid), grp.getgrgid(state.st_gid)
    except KeyError:
        return False
    return owner.pw_gid == group.gr_gid and {*group.gr_mem} <= {owner.pw_name}
