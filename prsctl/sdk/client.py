"""`MLClient`: where the daemon is, and the operations on it."""

from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any, Self

from prsctl.client import Client
from prsctl.options import Whereabouts
from prsctl.reach import live_daemon
from prsctl.sdk.computes import ComputeOperations
from prsctl.sdk.failures import translated
from prsctl.sdk.jobs import JobOperations
from prsctl.sdk.workspace_file import read_workspace_file


class MLClient:
    """Takes the arguments of azure-ai-ml's client, of which it uses none: a credential and a workspace mean nothing here.

    The daemon is the one that `server` names (an address as in `prsctl --server`), else PRS_SERVER, else the one on this
    machine. It is first asked when the first operation needs it.
    """

    def __init__(
        self,
        credential: object = None,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        registry_name: str | None = None,
        *,
        server: str | None = None,
        **_others: object,
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name
        self._server = server
        self._connection = ExitStack()
        self._daemon: Client | None = None
        self.jobs = JobOperations(self._connected)
        self.compute = ComputeOperations(self._connected)

    @classmethod
    def from_config(
        cls,
        credential: object = None,
        *,
        path: PathLike[str] | str | None = None,
        file_name: str | None = None,
        server: str | None = None,
        **others: Any,
    ) -> Self:
        """A client for the workspace file (config.json) that azure-ai-ml would find; none is needed.

        Its key "server", which azure-ai-ml ignores, names the daemon where `server` does not.
        """
        found = read_workspace_file(Path(path or "."), file_name)
        return cls(
            credential,
            found.get("subscription_id"),
            found.get("resource_group"),
            found.get("workspace_name"),
            server=server or found.get("server"),
            **others,
        )

    def close(self) -> None:
        """Ends the connection; the next operation makes a new one."""
        self._connection.close()
        self._daemon = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> Client:
        if self._daemon is None:
            with translated():
                self._daemon = self._connection.enter_context(live_daemon(Whereabouts(self._server)))
        return self._daemon
