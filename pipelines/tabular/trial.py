"""The child process that tries to read a file within a limit of memory; see memory.py.

It reads the bytes from standard input, and writes to standard output why they can't be read, or nothing.
"""

import sys

from pipelines.tabular.memory import confine

OUT_OF_MEMORY = 3


def main() -> int:
    confine()
    from pipelines.tabular.parquet import UnreadableParquet, read_parquet  # noqa: PLC0415  within the limit
    from pipelines.tabular.sheet import UnreadableExport, read_sheet  # noqa: PLC0415

    body = sys.stdin.buffer.read()
    try:
        read_sheet(body) if sys.argv[1] == "sheet" else read_parquet(body)
    except (UnreadableExport, UnreadableParquet) as error:
        if "MemoryError" in str(error):
            return OUT_OF_MEMORY
        sys.stdout.buffer.write(str(error).encode())
    except MemoryError:
        return OUT_OF_MEMORY
    return 0


if __name__ == "__main__":
    sys.exit(main())
