"""Inputs, functions and parameters of a statement are read from its text, and the order of the tables follows."""

from collections.abc import Iterator

import duckdb
import pytest

from pipelines.warehouse.statements import called_functions, define_functions, in_order, parse, statement


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_inputs_are_the_tables_in_every_part_of_a_statement(connection: duckdb.DuckDBPyConnection) -> None:
    found = parse(
        connection,
        """
        -- core.in_a_comment
        WITH a AS (SELECT x FROM core.a), b AS (FROM core.b ANTI JOIN a USING (x))
        SELECT 'core.in_a_text' AS y FROM b AS core SEMI JOIN marts.c USING (x)
        WHERE x IN (SELECT x FROM core.d) AND EXISTS (FROM core.a)
        UNION ALL SELECT name FROM (UNPIVOT marts.e ON p, q INTO NAME name VALUE z)
        """,
    )

    assert found.inputs == {"core.a", "core.b", "core.d", "marts.c", "marts.e"}


def test_parameters_are_those_of_the_code_and_not_of_comments(connection: duckdb.DuckDBPyConnection) -> None:
    found = parse(connection, "-- $third\nSELECT $first, '$fourth' WHERE 1 < to_hours($second)")

    assert found.parameters == {"first", "second"}
    assert found.arguments({"first": 1, "second": 2, "third": 3}) == {"first": 1, "second": 2}
    with pytest.raises(KeyError, match="second"):
        found.arguments({"first": 1})


def test_a_text_that_is_no_select_is_an_error_that_shows_where(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ValueError, match="'SELEC 1'"):
        parse(connection, "SELEC 1")


def test_each_table_comes_after_the_tables_that_it_is_computed_from() -> None:
    inputs = {"c": {"b", "a"}, "b": {"a", "loaded"}, "a": {"loaded"}, "d": set[str]()}

    order = in_order(inputs)

    assert sorted(order) == ["a", "b", "c", "d"]
    assert [table for table in order if table != "d"] == ["a", "b", "c"]


def test_a_circle_of_tables_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"each other: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)$"):
        in_order({"a": {"c"}, "b": {"a"}, "c": {"b"}, "d": {"a"}})


def test_functions_are_defined_after_those_that_they_call(connection: duckdb.DuckDBPyConnection) -> None:
    define_functions(connection, called_functions("SELECT * FROM compare_rates(1, 2, 3, 4) -- delivery_by('city')"))

    defined = connection.execute("SELECT function_name FROM duckdb_functions() WHERE NOT internal").fetchall()
    assert {"compare_rates", "wilson_low", "wilson_high"} <= {name for (name,) in defined}
    assert "delivery_by" not in {name for (name,) in defined}
    assert connection.sql("SELECT a_rate FROM compare_rates(1, 2, 3, 4)").fetchall() == [(0.5,)]


def test_functions_of_a_session_leave_no_trace_in_the_database_in_use(connection: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT database_name FROM duckdb_functions() WHERE function_name = 'wilson_low'"

    define_functions(connection, ["wilson_low"])
    assert connection.execute(query).fetchall() == [("temp",)]
    define_functions(connection, ["wilson_low"], is_temporary=False)
    assert sorted(connection.execute(query).fetchall()) == [("memory",), ("temp",)]


def test_a_session_keeps_the_functions_that_it_has(connection: duckdb.DuckDBPyConnection) -> None:
    define_functions(connection, ["wilson_low"])
    connection.execute("CREATE OR REPLACE TEMP MACRO wilson_low(successes, trials) AS 'kept'")

    define_functions(connection, ["wilson_low", "wilson_high"])
    with connection.cursor() as other:
        define_functions(other, ["wilson_low"])

        assert connection.sql("SELECT wilson_low(1, 2)").fetchall() == [("kept",)]
        assert other.sql("SELECT wilson_low(1, 2) < 0.5").fetchall() == [(True,)]


def test_a_statement_is_read_by_its_name_and_finds_its_functions(connection: duckdb.DuckDBPyConnection) -> None:
    found = statement(connection, "figures/ranges")

    assert (found.inputs, found.parameters) == ({"marts.carrier_delivery"}, {"campaign_id", "range_kind"})
    assert connection.sql("SELECT wilson_low(0, 10)").fetchall() == [(0.0,)]
