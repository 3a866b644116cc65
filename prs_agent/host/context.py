"""The second argument of `run(mini_batch, mini_batch_context)` (spec section 3.3)."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable, Dict, List, Optional


class MiniBatchDataset:
    """The part of the input that one mini-batch holds."""

    def __init__(self, mini_batch: Any, paths: List[str]) -> None:
        self._mini_batch = mini_batch
        self.paths: List[str] = list(paths)

    def to_pandas_dataframe(self) -> Any:
        """The rows of a tabular mini-batch; of files, their paths in one column `Path`. Needs pandas."""
        if hasattr(self._mini_batch, "to_csv"):
            return self._mini_batch
        return import_module("pandas").DataFrame({"Path": self.paths})


class MiniBatchContext:
    """What is known of a mini-batch beside its items."""

    def __init__(
        self,
        minibatch_index: int,
        retry_count: int,
        fencing_token: int,
        dataset: MiniBatchDataset,
        first_row: Callable[[int], Optional[int]],
        *,
        partition_key_value: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.minibatch_index = minibatch_index
        self.retry_count = retry_count  # 0 at the first attempt
        self.fencing_token = fencing_token  # grows with every lease: a later holder of the same work has a higher one
        self.partition_key_value = partition_key_value  # with partition_keys: the values that all items share
        self.dataset = dataset
        self._first_row = first_row

    @property
    def global_row_index_lower_bound(self) -> Optional[int]:
        """The number of the first row in the whole table, from 0; None where rows have none (files, partition_keys).

        Rows count as they are read, before a filter or a sample. Counted at the time of asking, where division did not need
        to: then by reading what lies before the mini-batch.
        """
        return self._first_row(self.minibatch_index)

    def __repr__(self) -> str:
        return "MiniBatchContext(minibatch_index=%d, retry_count=%d)" % (self.minibatch_index, self.retry_count)
