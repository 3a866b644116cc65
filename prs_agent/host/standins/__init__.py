"""Modules that entry scripts expect to find: `azureml_user.parallel_run`, and `azureml.exceptions` where it is missing.

To run an entry script's own tests without a worker, put this folder on PYTHONPATH.
"""
