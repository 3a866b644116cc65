from __future__ import annotations

import sqlite3

import pytest

from prsd.store.named_sql import parse, queries, sql_text


def test_every_query_is_one_statement_that_the_schema_can_run() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(sql_text("schema.sql") + sql_text("lineage.sql") + sql_text("reuse.sql"))
    for name, statement in queries().items():
        parameters = dict.fromkeys(_parameters(statement), 0)
        positional = (None,) * statement.count("?")
        assert connection.execute(f"EXPLAIN {statement}", positional or parameters), name


def _parameters(statement: str) -> set[str]:
    words = statement.replace("(", " ").replace(")", " ").replace(",", " ").split()
    return {word[1:] for word in words if word.startswith(":")}


def test_a_query_must_say_why() -> None:
    with pytest.raises(ValueError, match="query a does not say why"):
        parse("-- name: a\nSELECT 1\n")


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="two queries named a"):
        parse("-- name: a\n-- why\nSELECT 1\n\n-- name: a\n-- why\nSELECT 2\n")


def test_the_log_is_searched_by_index() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(sql_text("schema.sql") + sql_text("lineage.sql") + sql_text("reuse.sql"))
    parameters = {"step": 1, "kind": 10, "first": -1, "number": 0, "limit": 10}
    plan = connection.execute(f"EXPLAIN QUERY PLAN {queries()['facts_by_mini_batch']}", parameters).fetchall()
    assert "USING INDEX facts_of_step" in plan[0][3]
    assert len(plan) == 1  # nothing is sorted
