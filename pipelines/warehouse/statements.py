"""The statements of sql/: the tables that each reads, the functions it calls and the parameters it takes.

All of it is read from the SQL, so that no list of it can be out of date: the order in which tables are computed, and
the functions that a session needs, follow from the statements.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final
from weakref import WeakKeyDictionary

import duckdb

from pipelines import sql_files

_COMMENT: Final = re.compile(r"--.*")
_MACRO: Final = re.compile(r"\b(?:TEMP )?MACRO (\w+)\(")
_TABLE_MACRO: Final = re.compile(r"\bMACRO (\w+)\([^)]*\) AS TABLE")
_CALL: Final = re.compile(r"\b(\w+)\(")

_PARSED: Final[dict[str, "Statement"]] = {}  # by text: the statements of a process don't change

# The files of functions that each session has: to create them takes as long as a statement.
_DEFINED: Final[WeakKeyDictionary[duckdb.DuckDBPyConnection, set[str]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Statement:
    """One SELECT of sql/: its text, the tables it reads (with their schema) and the parameters it takes."""

    text: str
    inputs: frozenset[str]
    parameters: frozenset[str]

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of this statement's parameters; `values` may hold more. Raises KeyError if one is missing."""
        return {name: values[name] for name in sorted(self.parameters)}


def parse(connection: duckdb.DuckDBPyConnection, text: str) -> Statement:
    """A SELECT with the inputs and parameters that DuckDB's parser finds in it; its tables need not exist.

    Raises ValueError if the text can't be parsed.
    """
    inputs: set[str] = set()
    parameters: set[str] = set()

    def visit(node: dict[str, Any]) -> dict[str, Any]:
        if node.get("type") == "BASE_TABLE" and node["schema_name"]:  # without a schema it is a CTE
            inputs.add(f"{node['schema_name']}.{node['table_name']}")
        elif node.get("class") == "PARAMETER":
            parameters.add(node["identifier"])
        return node

    ((serialized,),) = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    tree = json.loads(serialized, object_hook=visit)
    if tree["error"]:
        raise ValueError(f"{tree['error_message']} in the statement that begins with {text[:60]!r}")
    return Statement(text, frozenset(inputs), frozenset(parameters))


def statement(connection: duckdb.DuckDBPyConnection, name: str) -> Statement:
    """sql/<name>.sql, parsed; the session gets the functions of sql/functions that it calls."""
    return statements(connection, [name])[name]


def statements(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, Statement]:
    """Several statements by name."""
    texts = {name: sql_files.statement(name) for name in names}
    define_functions(connection, set().union(*map(called_functions, texts.values())))
    return {name: parsed(connection, text) for name, text in texts.items()}


def parsed(connection: duckdb.DuckDBPyConnection, text: str) -> Statement:
    """The same as `parse`, which a process does once for each text."""
    if text not in _PARSED:
        _PARSED[text] = parse(connection, text)
    return _PARSED[text]


def in_order(inputs: Mapping[str, Iterable[str]]) -> list[str]:
    """The keys of `inputs` (table → the tables it is computed from), each after its inputs that are keys too.

    Raises ValueError with the tables of a circle.
    """
    graph = {table: sorted(set(read) & inputs.keys()) for table, read in inputs.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ValueError(f"tables are computed from each other: {' -> '.join(error.args[1])}") from None


def called_functions(text: str) -> set[str]:
    """The functions of sql/functions that `text` calls."""
    return set(_CALL.findall(_COMMENT.sub("", text))) & _function_files().keys()


def define_functions(
    connection: duckdb.DuckDBPyConnection, functions: Iterable[str], *, is_temporary: bool = True
) -> None:
    """Create these functions of sql/functions, after those that they call.

    They are created for the session, which keeps them, or, if not temporary, in the database in use.
    """
    defined = _DEFINED.setdefault(connection, set()) if is_temporary else set[str]()
    calls: dict[str, set[str]] = {}  # by file: one may define several functions
    to_visit = {_function_files()[name] for name in functions}
    while to_visit:
        name = to_visit.pop()
        calls[name] = {_function_files()[called] for called in called_functions(sql_files.statement(name))} - {name}
        to_visit |= calls[name] - calls.keys()
    kind = "TEMP MACRO" if is_temporary else "MACRO"
    for name in in_order(calls):
        if name not in defined:
            connection.execute(_MACRO.sub(rf"{kind} \1(", sql_files.statement(name)))
            defined.add(name)


@cache
def table_functions() -> frozenset[str]:
    """The functions of sql/functions that return rows; the others return a value."""
    texts = [sql_files.statement(name) for name in sql_files.names_in("functions")]
    return frozenset(name for text in texts for name in _TABLE_MACRO.findall(text))


@cache
def _function_files() -> dict[str, str]:
    """The name of the file that defines each function, such as `functions/wilson` for `wilson_low`."""
    names = sql_files.names_in("functions")
    return {function: name for name in names for function in _MACRO.findall(sql_files.statement(name))}
