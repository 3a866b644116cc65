"""Stands in for azureml-core where it is not installed; see `exceptions`."""
