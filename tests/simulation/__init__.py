"""Seeded random worlds round the core: agents die, messages get lost, the daemon crashes, and every invariant is checked
after every event. `python -m tests.simulation --help` runs many; a failure prints the command that replays its seed.

Read `options` (what a world may suffer), `world` (time and chance), `daemon` (the shell), then the agents: in most worlds
the real ledger on a simulated node (`node`, `ledger_agent`, `pool`, `workers`, `attempts`), in the others the model `agent`,
whose stream also loses and reorders single messages. What must be true is in `oracle`, `executions` (what really ran) and
`storage` (bytes that survive). `mutants` plants bugs that these must notice; `scale` measures a million mini-batches.
"""
