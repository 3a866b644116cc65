"""W1 to W8, one module each where they differ in kind."""

from __future__ import annotations

from benchmarks.bench import Workload
from benchmarks.workloads.crash import Crash
from benchmarks.workloads.files import Files
from benchmarks.workloads.many import Many
from benchmarks.workloads.no_ops import NoOps
from benchmarks.workloads.one import Cold, Warm
from benchmarks.workloads.spinning import Spinning
from benchmarks.workloads.tables import Tables

WORKLOADS: tuple[Workload, ...] = (NoOps(), Spinning(), Tables(), Files(), Crash(), Warm(), Cold(), Many())
