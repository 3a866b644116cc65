"""PURE: what the agent holds and what it should do next. Events go in with the time, commands come out; see `ledger.Ledger`.

Nothing here sees a socket, a clock, a file, a process or protobuf, so that a simulator can run thousands of ledgers. The
rules are those of the comment over AgentService.Connect (proto/prsd/v1/agents.proto) and of section 3.6 of the behaviour's
specification.

Read first: `vocabulary` (the nouns), `events` (in), `commands` (out), then `ledger`.

State: `ranges` (sets of indexes), `leases` (what is held), `instance` (a step's workers and what they were fed), `outbox`
(reports), all in the `books`. Rules, each called by those after it: `giving_back`, `workers`, `steps`, `leasing`,
`reporting`, then `sessions` (welcome, fence) and `draining`.

A mini-batch of a lease is in exactly one of these places: the queue of its instance, a frame of a worker, or the outbox
(waiting or unacknowledged). `Held.unfinished` is the first two together, `Held.unsettled` all three.
"""
