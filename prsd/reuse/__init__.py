"""Steps that need not run, because an equal one has completed (spec sections 1.2 and 1.5, statement 94). Blocks on the disk.

`keys` says what makes two steps equal, `fingerprints` whether data is what it was (names, sizes and times of files: no
file of a user but an MLTable is opened here), `outputs` keeps what a completed step left, `choosing` brings them together.
How a step is taken over is the same as for a job that is resumed: `prsd.rpc.resuming`.
"""
