"""Failing disks: full, read-only, or with an unwritable file. Not every machine allows creating them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOM = 64 * 2**20


@dataclass(frozen=True)
class SmallDisk:
    """A small file system in memory."""

    path: Path

    @contextmanager
    def full(self, *, but: int) -> Iterator[None]:
        """Fill the disk up to this many free bytes."""
        state = os.statvfs(self.path)
        ballast = self.path / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - but)
        try:
            yield
        finally:
            ballast.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        _run("mount", "-o", "remount,ro", self.path)
        try:
            yield
        finally:
            _run("mount", "-o", "remount,rw", self.path)


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """Mount a small disk; skips the test if mounting is not allowed."""
    path.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", path)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can be mounted by root on Linux only")
    try:
        yield SmallDisk(path)
    finally:
        _run("umount", path)


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Make a file or a folder unwritable; for root, which permissions don't stop, by the immutable attribute."""
    mode = path.stat().st_mode
    is_root = os.geteuid() == 0
    try:
        if is_root:
            _run("chattr", "+i", path)
        else:
            path.chmod(mode & ~0o222)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file can be made immutable here, and root may write to all others")
    try:
        yield
    finally:
        if is_root:
            _run("chattr", "-i", path)
        else:
            path.chmod(mode)


def _run(*command: str | Path) -> None:
    subprocess.run([*map(str, command)], capture_output=True, check=True)
