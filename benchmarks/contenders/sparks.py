"""Spark in local mode. Spark's own way to many small calls is the partition, so there are never more than 400 of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyspark.sql import SparkSession

_PARTITIONS = 400


class Tool:
    def __init__(self, workers: int) -> None:
        builder = SparkSession.builder.master(f"local[{workers}]").config("spark.ui.enabled", "false")
        self._session = builder.config("spark.driver.memory", "2g").getOrCreate()
        self._session.sparkContext.setLogLevel("ERROR")

    def results(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        given = list(arguments)
        spread = self._session.sparkContext.parallelize(given, min(_PARTITIONS, len(given)))
        return iter(spread.map(function).collect())

    def close(self) -> None:
        self._session.stop()
