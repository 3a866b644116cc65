"""`MLClient.compute`: the names that agents have joined under."""

from collections.abc import Callable, Iterator

from azure.core.exceptions import ResourceNotFoundError

from prsctl.client import Client
from prsctl.sdk.failures import translated
from prsctl.sdk.views import Compute, computes_of


class ComputeOperations:
    """Computes come and go with their agents; nothing is created here."""

    def __init__(self, daemon: Callable[[], Client]) -> None:
        self._daemon = daemon

    def get(self, name: str) -> Compute:
        """One compute; ResourceNotFoundError when no agent has joined under that name."""
        found = self._all()
        if name not in found:
            known = ", ".join(found) or "none"
            raise ResourceNotFoundError(
                f"no agent has joined as compute '{name}' (there are: {known}); start one with prs-agent --compute {name}"
            )
        return found[name]

    def list(self, *, compute_type: str | None = None) -> Iterator[Compute]:
        """All computes; `compute_type` is accepted and means nothing, because there is one type only."""
        return iter(self._all().values())

    def _all(self) -> dict[str, Compute]:
        with translated():
            return computes_of(self._daemon().agents())
