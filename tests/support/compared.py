"""Tables without what is bookkeeping of one database: what two warehouses of one landing must agree on."""

from pipelines import contracts
from pipelines.contracts import compared_columns, table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED

_COLUMNS = {
    table_of(contract): [column.name for column in compared_columns(contract)]
    if contracts.is_compared(contract)
    else []
    for contract in (*CORE, *RECONCILED, *MARTS)
}


def is_compared(table: str) -> bool:
    """False for a table of bookkeeping."""
    return _COLUMNS.get(table) != []


def query(table: str) -> str:
    """Select the rows of a table; all columns of one without a contract, such as a table of the analysts' copy."""
    return f"SELECT {', '.join(_COLUMNS.get(table, '*'))} FROM {table}"
