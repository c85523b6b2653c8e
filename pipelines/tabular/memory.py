"""Memory that a file takes when it is read: one of 2 KB can ask for gigabytes, and take the machine down.

What the file says of itself is looked at first. If that is far more than its size lets expect, or can't be known, a
child process with a limit of memory reads the file before this process does.
"""

import re
import resource
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

import polars as pl

MAX_GB: Final = 3  # of memory for a child that reads one file: 1 GB of it are reserved by libraries, and not used
TOO_MUCH: Final = (
    f"it takes more than {MAX_GB - 1} GB of memory to read, far more than its size; split it, or leave out columns and"
    " empty cells that aren't needed"
)

_EXPECTED_BYTES: Final = 2**28  # that may be taken without a trial
_EXPECTED_RATIO: Final = 20  # of memory to size of the file; more is rare, and a trial costs a second
_BYTES_OF_CELL: Final = 24  # in the grid of a sheet, which has every cell up to the last row and column
_CELL: Final = re.compile(rb"""<(?:[\w.-]+:)?c(?=[\s/>])(?:\s+r=["']([A-Z]{1,3})([0-9]{1,7})["'])?""")
_SHARED_TEXT: Final = re.compile(rb"<(?:[\w.-]+:)?si(?=[\s/>])")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_LOCAL_HEAD: Final = 30  # bytes of the header of a zip member before its name

Reader = Literal["sheet", "parquet"]
_is_confined = False


class TooMuchMemory(ValueError):
    """A child process can't read the bytes either. The message says why and quotes nothing of them."""


def confine() -> None:
    """Limit the memory of this process, which is a child that tries to read one file."""
    global _is_confined  # noqa: PLW0603  a property of the process
    _is_confined = True
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_GB * 2**30, MAX_GB * 2**30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def refuse_long_texts(frame: pl.DataFrame) -> None:
    """Raises TooMuchMemory for texts that are held once and repeated: the first change would write out each."""
    lengths = frame.select(pl.col(pl.String).str.len_bytes().cast(pl.Int64).sum())
    if sum(lengths.row(0) if lengths.columns else ()) > (MAX_GB - 1) * 2**30:
        raise TooMuchMemory(TOO_MUCH)


@contextmanager
def limited_growth() -> Iterator[None]:
    """Let allocations fail once this process has grown by gigabytes, for a library that raises MemoryError then.

    For a moment this holds for all threads. Without Linux's /proc nothing is limited.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])  # of the heap and all stacks
    except OSError:
        yield
        return
    limit = pages * resource.getpagesize() + (MAX_GB - 1) * 2**30
    if soft == resource.RLIM_INFINITY or limit < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def is_expected(memory: int, body: bytes) -> bool:
    """True if a file of this size may take so much memory without a trial."""
    return memory <= max(_EXPECTED_BYTES, _EXPECTED_RATIO * len(body))


def try_reading(reader: Reader, body: bytes) -> None:
    """Read the bytes in a child process. Raises TooMuchMemory if that fails, for want of memory or otherwise."""
    if _is_confined:
        return
    command = [sys.executable, "-P", "-m", "pipelines.tabular.trial", reader]  # -P: no modules of the current folder
    child = subprocess.run(command, input=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)  # noqa: S603
    if child.returncode:
        raise TooMuchMemory(TOO_MUCH)
    if child.stdout:
        raise TooMuchMemory(child.stdout.decode())


def is_expected_workbook(body: bytes) -> bool:
    """True for an .xlsx whose unpacked size, grid of cells and repeated texts are known and not large."""
    try:
        return _workbook_bytes(body, limit=max(_EXPECTED_BYTES, _EXPECTED_RATIO * len(body))) is not None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, ValueError):
        return False


def _workbook_bytes(body: bytes, *, limit: int) -> int | None:
    """The memory that a workbook takes; None if it is over the limit or can't be known."""
    memory, cell_count, longest_text = 0, 0, 0
    members = zipfile.ZipFile(BytesIO(body)).infolist()
    if not any(member.filename == "xl/workbook.xml" for member in members):
        return None
    for member in members:
        if member.filename == "content.xml" or member.filename.endswith(".bin"):
            return None  # another kind of workbook, or a part that can't be looked into
        part = _unpacked(body, member, limit=limit)
        if part is None or part.startswith(_UTF_16):
            return None
        last_row, last_column = 0, 0
        for cell in _CELL.finditer(part):
            if cell[1] is None:
                return None  # the cell's place follows from others
            cell_count += 1
            last_row = max(last_row, int(cell[2]))
            last_column = max(last_column, _number_of(cell[1]))
        texts = _SHARED_TEXT.split(part)[1:]
        longest_text = max(longest_text, *map(len, texts), 0)
        memory += len(part) + last_row * last_column * _BYTES_OF_CELL
        if memory + cell_count * longest_text > limit:
            return None
    return memory + cell_count * longest_text


def _number_of(letters: bytes) -> int:
    """The number of a column: 1 for A, 28 for AB."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _unpacked(body: bytes, member: zipfile.ZipInfo, *, limit: int) -> bytes | None:
    """The bytes of a zip member, whatever size it claims; None if they are over the limit or packed in a rare way."""
    head = body[member.header_offset : member.header_offset + _LOCAL_HEAD]
    start = member.header_offset + _LOCAL_HEAD + sum(int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
    packed = memoryview(body)[start : start + member.compress_size]
    if member.compress_type == zipfile.ZIP_STORED:
        return bytes(packed)
    if member.compress_type != zipfile.ZIP_DEFLATED:
        return None
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, limit + 1)
    return unpacked if len(unpacked) <= limit else None
