"""The Python SDK's client, for pipelines built with azure-ai-ml: change one import, and they run here.

    from prsctl.sdk import MLClient          # instead of: from azure.ai.ml import MLClient

`MLClient` has `jobs` and `compute` with the methods, arguments and exceptions of azure-ai-ml's own; what they return are
views of ours (`views`). Needs azure-ai-ml: `pip install prs[sdk]`. Daemon, agents and CLI never import this package.

What lives here: the translation between azure-ai-ml and `prsctl.client`, nothing that talks to a daemon by itself. Read
`jobs` first, then `pipelines` (how a pipeline object becomes a document) and `failures` (which exception means what).
"""

from prsctl.sdk.client import MLClient
from prsctl.sdk.views import Compute, Job

__all__ = ["Compute", "Job", "MLClient"]
