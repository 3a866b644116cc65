"""The version of everything here: pyproject.toml takes it from this file.

Written down, because asking for the installed package's metadata costs every start 20 ms.
"""

VERSION = "0.1.0"
