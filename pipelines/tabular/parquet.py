"""Parquet files of other writers, read whole into memory, or refused with one error that says why.

A damaged file makes polars panic in places: it writes lines to standard error, which may quote the file, and raises a
BaseException. Here that becomes an UnreadableParquet. Other damage makes polars end the process, so pyarrow, which is
fuzzed by its makers, decodes every page first: 0.1 s for a million rows of three columns. Callers read the bytes first:
polars would map the file, and a file that is cut short while it is mapped kills the process.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import accumulate
from typing import Final

import polars as pl

from pipelines.tabular.memory import Reader, TooMuchMemory, is_expected, limited_growth, refuse_long_texts, try_reading

MAX_COLUMNS: Final = 2000  # each costs 6 KB and 0.2 ms, however few rows: a million columns would take a machine down

_BYTES_OF_VALUE: Final = 16  # of a text in polars, beside its characters
_ROWS_AT_ONCE: Final = 8192
_MAGIC: Final = b"PAR1"
_OTHER_FORMATS: Final = (  # first bytes of files that are mistaken for Parquet
    (b"PARE", "it is encrypted; write it without encryption"),
    (b"PK\x03\x04", "it is an Excel or ZIP file; save it as Parquet"),
    (b"\xd0\xcf\x11\xe0", "it is an Excel file; save it as Parquet"),
)
_stderr_lock = threading.Lock()  # all threads share standard error


class UnreadableParquet(ValueError):
    """The bytes can't be read as Parquet. The message says why and what to do, and quotes nothing of them."""


def read_parquet(body: bytes, *, reader: Reader = "parquet") -> pl.DataFrame:
    """All columns and rows. Raises UnreadableParquet.

    A file that takes far more memory than its size lets expect is read by a child process first, as `reader` would.
    """
    if fault := _fault_of_form(body):
        raise UnreadableParquet(fault)
    try:
        with _stderr_lock, _silenced_stderr():
            width = len(pl.read_parquet_schema(BytesIO(body)))
            if width <= MAX_COLUMNS:
                if _is_expected(body):
                    return pl.read_parquet(BytesIO(body))
                try_reading(reader, body)
                frame = pl.read_parquet(BytesIO(body))
                refuse_long_texts(frame)
                return frame
        fault = f"it has {width} columns, and at most {MAX_COLUMNS} can be taken; leave out what isn't needed"
    except TooMuchMemory as error:
        fault = str(error)
    except pl.exceptions.DuplicateError:
        fault = "two of its columns have the same name; rename one"
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError, ValueError) as error:
        fault = f"it is damaged, encrypted, or has columns of an unknown type ({type(error).__name__}); write it again"
    raise UnreadableParquet(fault)  # outside of the except clause, so that no traceback quotes the file


def _is_expected(body: bytes) -> bool:
    """True if the rows and columns, and the decoded pages, are no larger than the file's size lets expect.

    Raises OSError for damaged pages; of what pyarrow can't read nothing is known.
    """
    from pyarrow import ArrowInvalid, ArrowNotImplementedError  # noqa: PLC0415  0.2 s, for those who read a file only
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    try:
        with limited_growth():
            file = ParquetFile(BytesIO(body))
            groups = map(file.metadata.row_group, range(file.num_row_groups))
            values = file.metadata.num_rows * file.metadata.num_columns
            claimed = max(values * _BYTES_OF_VALUE, sum(group.total_byte_size for group in groups))
            decoded = accumulate(batch.nbytes for batch in file.iter_batches(_ROWS_AT_ONCE))
            return is_expected(claimed, body) and all(is_expected(size, body) for size in decoded)
    except (ArrowInvalid, ArrowNotImplementedError):
        return False
    except MemoryError:  # a text that is stored once is repeated in a batch; damage looks the same
        return False


def _fault_of_form(body: bytes) -> str | None:
    """The fault in the file's first and last bytes, or None: Parquet begins and ends with PAR1."""
    if not body:
        return "it is empty; write it again, as Parquet"
    kind = next((words for magic, words in _OTHER_FORMATS if body.startswith(magic)), None)
    if kind is None and not body.startswith(_MAGIC):
        return "it is not Parquet; save it as Parquet"
    if kind is None and not (len(body) > 2 * len(_MAGIC) and body.endswith(_MAGIC)):
        return "it is Parquet that was cut short; write or copy it again"
    return kind


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Drop what native code writes to standard error."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
