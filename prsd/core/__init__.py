"""The rules: who runs what, and what is true. Pure and synchronous.

Events go in with the time, commands come out; see `core.Core.handle`. Nothing here sees a socket, a clock, a random number,
a path, a row or YAML, and nothing is imported but the standard library (minus asyncio, time, random, os, socket, sqlite3,
threading, logging) and `prsd.base.columns`.

Read first: `vocabulary` (the nouns), `events` (in), `commands` (out), `facts` (what a restart folds), then `core`.

State: `steps` and `restore` (durable: the fold of facts), `work` and `agents` (volatile), `ranges` (sets of indexes), all
on the `board`. Rules, each called by those after it: `leases`, `granting`, `placement`, `limits`, `endings`, `jobs`; then
one module per kind of event: `succession` (a job that goes on from another), `reports`, `instances`, `takeover` (a boot that
is back), `sessions`, `deadlines`. `check` proves that everything
adds up; `views` shows it.
"""
