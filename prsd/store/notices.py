"""What agents want a person to know of a step: what they noted when they divided its input and when they committed."""

from __future__ import annotations

from prsd.core.vocabulary import StepId
from prsd.store.protocol import Queries

# More than agents send; a bound on what one of them can make a job show.
_LIMIT = 100


def notices_of(store: Queries, step: StepId) -> tuple[str, ...]:
    """In the order in which they were recorded. Blocks on the disk."""
    done = store.commit_of(step)
    return (*store.division_of(step).notices, *(done.notices if done else ()))[:_LIMIT]
