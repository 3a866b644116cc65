"""`PYTHON <this folder>/__main__.py`, with PRS_HOST_FDS="r,w": a worker process; see the package.

This file runs in the user's interpreter, where our package is not installed and must not be seen: the folder that Python
puts on sys.path for a script is taken off before anything is imported, and the modules here are loaded as the package
`_prs_host`.
"""

import sys

_PACKAGE = "_prs_host"


def _main() -> int:
    folder = __file__.replace("\\", "/").rpartition("/")[0]
    # First of all: in this folder, module names such as `columns` would hide those of the user.
    sys.path[:] = [entry for entry in sys.path if entry.rstrip("/") != folder]

    import importlib.util
    import os

    folder = os.path.abspath(folder)
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = package
    spec.loader.exec_module(package)
    code: int = importlib.import_module(_PACKAGE + ".worker").main()
    return code


if __name__ == "__main__":
    # Child processes that multiprocessing spawns import this file under another name; they must not become workers.
    sys.exit(_main())
