"""Stubs generated from proto/prsd/v1 by `make proto`; nothing here is written by hand but this line."""
