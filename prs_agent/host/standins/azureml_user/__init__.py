"""What Azure's runtime offers to entry scripts; see `parallel_run`."""
