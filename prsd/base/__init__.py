"""Leaf modules that daemon, agent and CLI share: columns, URIs, code snapshots, logging. They import nothing of ours."""
