"""Chaos over the real programs: a seed gives one parallel job and a schedule of faults, a judge compares what was published.

Read `run.py` first: it is one run from the first process to the verdict. `entry_script.py` is the job's script, whose rows
are a pure function of seed and index. `faults.py` draws a schedule from a seed; `fleet.py` keeps the programs up and
carries faults out, with `proxy.py` (the network), `disk.py` (small disks) and `processes.py` (who is whose child).
`judge.py` knows nothing of the product. `evidence.py` reads what the faults changed. `kill_points.py` kills at every
write instead.

Only the schedule is a function of the seed: a fault meets the programs where they are at that moment.
"""
