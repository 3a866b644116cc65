"""Seeded random worlds round the core: agents die, messages get lost, the daemon crashes, and every invariant is checked
after every event. `python -m tests.simulation --help` runs many; a failure prints the command that replays its seed.

Read `options` (what a world may suffer), `world` (time and chance), `daemon` (the shell), `agent`, then `oracle`.
"""
