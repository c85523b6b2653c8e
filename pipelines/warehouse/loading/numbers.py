"""Numbers of loads: each transaction that changes loaded tables has one, which its rows bear."""

import duckdb

from pipelines.sql_files import statement


def new_load_num(connection: duckdb.DuckDBPyConnection) -> int:
    """Add a row to core.loads and return its number; it is rolled back with the transaction."""
    ((load_num,),) = connection.execute(statement("load/number_load")).fetchall()
    return int(load_num)
