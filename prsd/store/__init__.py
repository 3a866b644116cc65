"""The durable log of facts, and what queries need to know of them.

Here live the `Store` protocol and its two implementations: SQLite (one file, one writer thread, group commit) and memory
(the same meaning without a disk; unit tests and simulations use it). A contract test runs over both. Nothing here decides
anything: what may be recorded is the core's business. Nothing here knows gRPC, YAML or a path but that of the data folder.

Words: a *fact* is what the core wants remembered (`prsd.core.facts`); the *log* is all facts in the order in which they
were appended, numbered from 1 without a gap; the *chain* is the running checksum over the log; a *summary* is what is kept
of a job or step beside its facts, in the same transaction, so that a list of jobs need not read them; a *group* is the
appends that share one transaction; the *lineage* is which log this is: fact numbers of another one mean nothing.

Read first: `protocol` (what a store promises), `rows` (what queries return), then `sqlite`. What is stored in which form:
`kinds`, `codec`, `packed`, `schema.sql`. How durability is shared: `group_commit`. How damage is found: `chain`.
What happens on a full disk: `group_commit` and `log_writer`. What a copy of the database is, and when a new lineage begins:
`lineage`, `sqlite.copy_to`, and `prsd.restoring` above this package.

To add a kind of fact: give it the next number in `kinds`, name its type in `codec`, fold it in `summaries` if a query shows
it, raise `schema.VERSION`, and add it to the round-trip test.
"""
