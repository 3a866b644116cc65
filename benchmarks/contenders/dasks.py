"""Dask's distributed scheduler with a local cluster of processes of one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from distributed import Client, LocalCluster, as_completed


class Tool:
    def __init__(self, workers: int) -> None:
        self._cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
        self._client = Client(self._cluster)

    def results(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        futures = self._client.map(function, list(arguments), pure=False)
        for _, result in as_completed(futures, with_results=True):
            yield result

    def close(self) -> None:
        self._client.close()
        self._cluster.close()
